// A client of the service in JavaScript: the four things that every client does, over the contract alone.
//
//     npm ci
//     node client.js put FILE OBJECT_ID     upload a file as the next version of an object; resumes by itself
//     node client.js get OBJECT_ID FILE     download it, verified
//     node client.js publish < LINES        publish records, one JSON document a line
//     node client.js follow [SEQUENCE]      print events as they happen, behind a sequence if one is given
//
// The address is FLOWCEPT_TARGET (localhost:50051), the credentials FLOWCEPT_TOKEN. Results go to stdout.

"use strict";

const { createHash, randomUUID } = require("node:crypto");
const { createReadStream } = require("node:fs");
const { open, rename, rm, stat } = require("node:fs/promises");
const path = require("node:path");
const readline = require("node:readline");
const { setTimeout: sleep } = require("node:timers/promises");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const protobuf = require("protobufjs");

const CHUNK_BYTES = 1 << 20;
const BATCH_MESSAGES = 500;
const BATCH_BYTES = 1 << 20; // a request stays under 4 MiB
const PATIENCE_MS = 60_000; // without progress
const PAUSE_MS = 200;
const { UNAVAILABLE, CANCELLED, OUT_OF_RANGE } = grpc.status;

const { BlobStore, Provenance } = grpc.loadPackageDefinition(
  loader.loadSync(["flowcept/v1/blob_store_service.proto", "flowcept/v1/provenance_service.proto"], {
    includeDirs: [path.join(__dirname, "../../protos")],
    longs: Number, // sizes and sequences below 2^53; documents carry larger integers safely
    enums: String,
    defaults: true,
  }),
).flowcept.v1;

// How every error says what is wrong, for programs: https://google.aip.dev/193
const { Status, ErrorInfo } = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`).root.nested.google.nested.rpc.nested;

// The reason of an error, a name of ErrorReason in errors.proto; "" where the service was not reached.
function reasonOf(error) {
  const encoded = error.metadata?.get("grpc-status-details-bin")[0];
  const info = encoded && Status.decode(encoded).details.find((any) => any.typeUrl.endsWith("google.rpc.ErrorInfo"));
  return info ? ErrorInfo.decode(info.value).reason : "";
}

// Whether the same call may well succeed a moment later.
function isTransient(error) {
  return [UNAVAILABLE, CANCELLED].includes(error.code);
}

// Whether an upload goes on from where the service says: the attempt before it, just cut off, was still storing.
function isOvertaken(error) {
  return error.code === OUT_OF_RANGE && reasonOf(error) === "UPLOAD_OFFSET_MISMATCH";
}

class Client {
  constructor(target, token) {
    const credentials = grpc.credentials.createInsecure(); // createSsl(...) where the service has a certificate
    this.metadata = new grpc.Metadata();
    if (token) this.metadata.set("authorization", `Bearer ${token}`);
    const options = {
      // A service that was away is looked for again after a second, then two, four, ... by default.
      "grpc.initial_reconnect_backoff_ms": PAUSE_MS,
      "grpc.max_reconnect_backoff_ms": 10 * PAUSE_MS,
      // A connection whose other end vanished without a word is noticed within the sum of the two.
      "grpc.keepalive_time_ms": 20_000,
      "grpc.keepalive_timeout_ms": 10_000,
    };
    this.blobs = new BlobStore(target, credentials, options);
    this.provenance = new Provenance(target, credentials, options);
  }

  close() {
    this.blobs.close();
    this.provenance.close();
  }

  unary(stub, method, request) {
    return new Promise((resolve, reject) => {
      stub[method](request, this.metadata, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }

  // Upload a file as the next version of an object; what the service stored.
  async put(file, objectId) {
    const { size } = await stat(file);
    const header = { uploadId: randomUUID(), objectId, controlVersion: true, fields: { type: "ml_model" } };
    const commit = { objectSizeBytes: size, dataSha256: await digestOf(file) };
    let offset = 0;
    return patiently(async (progressed) => {
      // What is staged survives broken connections and restarts of the service, and a commit whose answer was lost is
      // found here.
      const { stagedBytes, object } = await this.unary(this.blobs, "GetUpload", { uploadId: header.uploadId });
      if (object) return object;
      if (stagedBytes > offset) progressed();
      if (stagedBytes) console.error(`continuing at ${stagedBytes} of ${size} bytes`);
      offset = stagedBytes;
      return (await this.upload(file, offset, header, commit)).object;
    });
  }

  upload(file, offset, header, commit) {
    return new Promise((resolve, reject) => {
      const content = createReadStream(file, { start: offset, highWaterMark: CHUNK_BYTES });
      const call = this.blobs.upload(this.metadata, (error, response) => {
        content.destroy();
        if (error) reject(error);
        else resolve(response);
      });
      const send = async () => {
        call.write({ header });
        for await (const data of content) {
          // A slow service holds the reading back, so that memory stays small.
          if (!call.write({ chunk: { offset, data } })) await new Promise((drained) => call.once("drain", drained));
          offset += data.length;
        }
        call.write({ commit });
        call.end();
      };
      send().catch((error) => {
        call.cancel();
        reject(error);
      });
    });
  }

  // Download an object; the file appears once every byte of it is there and verified.
  async get(objectId, file) {
    const part = `${file}.part`;
    const output = await open(part, "w");
    try {
      const object = await this.download(objectId, output);
      await output.sync();
      await rename(part, file);
      return object;
    } catch (error) {
      await rm(part);
      throw error;
    } finally {
      await output.close();
    }
  }

  async download(objectId, output) {
    const digest = createHash("sha256");
    let offset = 0;
    let object = null;
    await patiently(async (progressed) => {
      // Once begun, exactly that version, behind the last byte.
      const call = this.blobs.download({ objectId, version: object?.version, offset }, this.metadata);
      for await (const response of call) {
        object ??= response.object;
        if (!response.chunk) continue;
        await output.write(response.chunk.data);
        digest.update(response.chunk.data);
        offset += response.chunk.data.length;
        progressed();
      }
    });
    if (digest.digest("hex") !== object.dataSha256) throw new Error(`${objectId} arrived damaged`);
    return object;
  }

  // Publish records, in batches that are durable before the next one is sent; those that were refused.
  async publish(records) {
    const rejections = [];
    let first = 0;
    for await (const batch of inBatches(records)) {
      // With its identifier, a message is stored once however often it is sent.
      const messages = batch.map((json) => ({ messageId: randomUUID(), document: { json } }));
      const begin = first;
      const response = await patiently(() => this.unary(this.provenance, "Publish", { messages }));
      rejections.push(...response.rejections.map((refused) => ({ ...refused, index: begin + refused.index })));
      first += batch.length;
    }
    return { published: first - rejections.length, rejections };
  }

  // Events behind a sequence, or from now on; after a broken stream it goes on where it was.
  async *follow(afterSequence) {
    let position = afterSequence;
    const patience = new Patience();
    for (;;) {
      const start = position === undefined ? { edge: "LOG_EDGE_LATEST" } : { afterSequence: position };
      const call = this.provenance.subscribe({ ...start, encoding: "DOCUMENT_ENCODING_JSON" }, this.metadata);
      try {
        for await (const { events, position: reached } of call) {
          patience.progressed();
          yield* events;
          position = reached;
        }
      } catch (error) {
        await patience.wait(error);
      } finally {
        call.cancel();
      }
    }
  }
}

class Patience {
  constructor() {
    this.progressed();
  }

  progressed() {
    this.troubleSince = undefined;
  }

  // Wait before the next attempt; throw where there is to be none.
  async wait(error) {
    if (!isTransient(error) && !isOvertaken(error)) throw error;
    if (!this.troubleSince) console.error(`trying again: ${error.details}`);
    this.troubleSince ??= Date.now();
    if (Date.now() - this.troubleSince > PATIENCE_MS) throw error;
    await sleep(PAUSE_MS);
  }
}

async function patiently(attempt) {
  const patience = new Patience();
  for (;;) {
    try {
      return await attempt(() => patience.progressed());
    } catch (error) {
      await patience.wait(error);
    }
  }
}

async function* inBatches(lines) {
  let batch = [];
  let bytes = 0;
  for await (const line of lines) {
    if (!line.trim()) continue;
    const size = Buffer.byteLength(line);
    if (batch.length === BATCH_MESSAGES || (batch.length && bytes + size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += size;
  }
  if (batch.length) yield batch;
}

async function digestOf(file) {
  const digest = createHash("sha256");
  for await (const data of createReadStream(file)) digest.update(data);
  return digest.digest("hex");
}

async function main([command, ...values]) {
  const client = new Client(process.env.FLOWCEPT_TARGET ?? "localhost:50051", process.env.FLOWCEPT_TOKEN);
  const show = (value) => console.log(JSON.stringify(value));
  const summary = (stored) => ({
    objectId: stored.objectId,
    version: stored.version,
    objectSizeBytes: stored.objectSizeBytes,
    dataSha256: stored.dataSha256,
  });
  try {
    if (command === "put" && values.length === 2) show(summary(await client.put(...values)));
    else if (command === "get" && values.length === 2) show(summary(await client.get(...values)));
    else if (command === "publish" && values.length === 0) {
      show(await client.publish(readline.createInterface(process.stdin)));
    } else if (command === "follow" && values.length <= 1) {
      for await (const { document, ...event } of client.follow(values.length ? Number(values[0]) : undefined)) {
        show({ ...event, document: document && JSON.parse(document.json) });
      }
    } else {
      console.error("usage: node client.js put FILE OBJECT_ID|get OBJECT_ID FILE|publish < LINES|follow [SEQUENCE]");
      process.exitCode = 2;
    }
  } catch (error) {
    console.error(`${reasonOf(error) || "error"}: ${error.details || error.message}`);
    process.exitCode = 1;
  } finally {
    client.close();
  }
}

main(process.argv.slice(2));
