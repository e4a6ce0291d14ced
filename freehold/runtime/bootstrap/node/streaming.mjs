// awslambda.streamifyResponse and HttpResponseStream: a response that leaves while it is produced.

import { Writable } from "node:stream";
import { finished } from "node:stream/promises";

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const HTTP_TYPE = "application/vnd.awslambda.http-integration-response";

export function streamifyResponse(handler, options) {
  handler[STREAMING] = "response";
  if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = options.highWaterMark;
  return handler;
}

export function isStreaming(handler) {
  return handler[STREAMING] === "response";
}

export class ResponseStream extends Writable {
  #channel;
  #id;
  #contentType;
  begun = false;

  constructor(channel, id, highWaterMark) {
    super({ highWaterMark: highWaterMark ?? 65536 });
    this.#channel = channel;
    this.#id = id;
    this.done = finished(this).catch(() => {});
  }

  setContentType(contentType) {
    if (this.begun) throw new Error("Cannot set content-type, too late.");
    this.#contentType = contentType;
  }

  ended() {
    return this.done;
  }

  #begin() {
    if (this.begun) return;
    this.begun = true;
    const type = (this.#contentType ?? "application/octet-stream").replace(/[^\x20-\x7e]/g, "");
    this.#channel.write(
      `POST /2018-06-01/runtime/invocation/${this.#id}/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: ${type}\r\n` +
        "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n" +
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n" +
        `Freehold-Peak-Kb: ${process.resourceUsage().maxRSS}\r\n\r\n`,
    );
  }

  // As in AWS's runtime, what is neither text nor bytes leaves as JSON.
  write(chunk, encoding, callback) {
    const plain = typeof chunk === "string" || Buffer.isBuffer(chunk) || chunk?.constructor === Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), encoding, callback);
  }

  _write(chunk, encoding, callback) {
    this.onBeforeFirstWrite?.((prelude) => this.#chunk(Buffer.from(prelude)));
    this.onBeforeFirstWrite = undefined;
    this.#chunk(chunk, callback);
  }

  #chunk(data, callback) {
    this.#begin();
    if (!data.length) return callback?.();
    this.#channel.write(Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")]), () =>
      callback?.(),
    );
  }

  _final(callback) {
    this.onBeforeFirstWrite?.((prelude) => this.#chunk(Buffer.from(prelude)));
    this.#begin();
    this.#channel.write("0\r\n\r\n", () => callback());
  }

  abort(document) {
    const body = Buffer.from(JSON.stringify(document)).toString("base64");
    const kind = String(document.errorType).replace(/[^\x20-\x7e]/g, "?");
    this.#channel.write(
      `0\r\nLambda-Runtime-Function-Error-Type: ${kind}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`,
    );
    this.destroy();
  }
}

export class HttpResponseStream {
  static from(stream, metadata) {
    stream.setContentType(HTTP_TYPE);
    const prelude = JSON.stringify(metadata);
    stream.onBeforeFirstWrite = (write) => write(Buffer.concat([Buffer.from(prelude), Buffer.alloc(8)]));
    return stream;
  }
}
