"""Settings of the service, one module for each group."""

from flowcept.config_loading import SettingRow
from flowcept_service.config.inserter import InserterOptions
from flowcept_service.config.limits import ConnectionOptions, LimitOptions
from flowcept_service.config.logs import LogOptions
from flowcept_service.config.observability import ObservabilityOptions
from flowcept_service.config.retention import RetentionOptions
from flowcept_service.config.security import SecurityOptions
from flowcept_service.config.settings import STORES, ServiceSettings, misspelt_variables, settings_table

__all__ = [
    "STORES",
    "ConnectionOptions",
    "InserterOptions",
    "LimitOptions",
    "LogOptions",
    "ObservabilityOptions",
    "RetentionOptions",
    "SecurityOptions",
    "ServiceSettings",
    "SettingRow",
    "misspelt_variables",
    "settings_table",
]
