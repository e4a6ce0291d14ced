// The Node.js side of the Lambda Runtime API, over an inherited socket (descriptor 3): load the handler, then next, run,
// respond. Log formats, error documents and the streaming interface are those AWS documents for its Node.js runtimes.

import { Channel } from "./channel.mjs";
import { installConsole, logError, setRequestId } from "./console.mjs";
import { errorDocument, load } from "./handler.mjs";
import { HttpResponseStream, ResponseStream, isStreaming, streamifyResponse } from "./streaming.mjs";

const channel = new Channel(3);
let current = null;

class Invocation {
  constructor(headers, body) {
    this.id = headers["lambda-runtime-aws-request-id"];
    this.body = body;
    this.headers = headers;
    this.answered = false;
    this.context = this.#context();
    this.finished = new Promise((resolve) => (this.finish = resolve));
  }

  #context() {
    const headers = this.headers;
    const deadline = Number(headers["lambda-runtime-deadline-ms"]);
    const client = headers["lambda-runtime-client-context"];
    const identity = headers["lambda-runtime-cognito-identity"];
    const environment = process.env;
    return {
      callbackWaitsForEmptyEventLoop: true,
      functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
      functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
      memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: client ? JSON.parse(client) : undefined,
      identity: identity ? JSON.parse(identity) : undefined,
      invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
      awsRequestId: this.id,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
      succeed: (result) => this.respond(result),
      fail: (error) => this.fail(error),
      done: (error, result) => (error ? this.fail(error) : this.respond(result)),
    };
  }

  respond(result) {
    if (this.answered) return;
    let body;
    try {
      body = JSON.stringify(result === undefined ? null : result) ?? "null";
    } catch {
      return this.fail(new Error("Unable to stringify response body"));
    }
    this.answered = true;
    channel.post(`invocation/${this.id}/response`, body);
    this.finish();
  }

  fail(error, label = "Invoke Error") {
    if (this.answered) return;
    this.answered = true;
    const document = errorDocument(error);
    logError(label, error);
    if (this.stream?.begun) this.stream.abort(document);
    else channel.post(`invocation/${this.id}/error`, JSON.stringify(document), document.errorType);
    this.finish();
  }

  // With callbacks the response leaves when nothing is left to do, unless the function asks otherwise.
  settle(error, result) {
    if (this.answered || this.settled) return;
    if (error !== undefined && error !== null) return this.fail(error);
    if (this.context.callbackWaitsForEmptyEventLoop) this.settled = { result };
    else this.respond(result);
  }

  idle() {
    if (this.stream) {
      if (!this.answered) this.fail(new Error("The function ended without ending its response stream"));
    } else {
      this.respond(this.settled?.result ?? null);
    }
  }
}

async function runPlain(handler, event, invocation) {
  const returned = handler(event, invocation.context, (error, result) => invocation.settle(error, result));
  if (typeof returned?.then === "function") invocation.respond(await returned);
}

async function runStreaming(handler, event, invocation) {
  const stream = new ResponseStream(channel, invocation.id, handler.highWaterMark);
  invocation.stream = stream;
  await handler(event, stream, invocation.context);
  await stream.ended();
  invocation.answered = true;
  invocation.finish();
}

async function serve(handler) {
  for (;;) {
    const { headers, body } = await channel.next();
    const invocation = new Invocation(headers, body);
    current = invocation;
    setRequestId(invocation.id);
    const trace = headers["lambda-runtime-trace-id"];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    try {
      const event = body.length ? JSON.parse(body.toString()) : {};
      const run = isStreaming(handler) ? runStreaming : runPlain;
      run(handler, event, invocation).catch((error) => invocation.fail(error));
    } catch (error) {
      invocation.fail(error);
    }
    await invocation.finished;
    current = null;
  }
}

function endWith(error, label, code) {
  if (current && !current.answered) current.fail(error, label);
  else logError(label, error);
  channel.flush(() => process.exit(code));
}

process.on("beforeExit", () => {
  if (current && !current.answered) current.idle();
});
process.on("uncaughtException", (error) => endWith(error, "Uncaught Exception", 129));
process.on("unhandledRejection", (reason) => {
  const error = new Error(reason?.stack ? String(reason) : `${reason}`);
  error.name = "Runtime.UnhandledPromiseRejection";
  error.reason = reason;
  error.stack = `Runtime.UnhandledPromiseRejection: ${error.message}\n${(new Error().stack ?? "").split("\n").slice(1).join("\n")}`;
  endWith(error, "Unhandled Promise Rejection", 128);
});

globalThis.awslambda = { streamifyResponse, HttpResponseStream };
installConsole();
try {
  const handler = await load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  serve(handler);
} catch (error) {
  logError("Uncaught Exception", error);
  const document = errorDocument(error);
  channel.post("init/error", JSON.stringify(document), document.errorType);
  channel.flush(() => process.exit(1));
}
