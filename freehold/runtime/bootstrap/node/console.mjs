// The console as Lambda's Node.js runtimes have it: one event per call, with time, request id and level.

import { writeSync } from "node:fs";
import { format } from "node:util";

const PRIORITY = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const METHODS = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };
const RECORD_SEPARATOR = "\x1e"; // stands for a newline inside one event; the server restores it

const asJson = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const threshold = asJson ? (PRIORITY[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? PRIORITY.INFO) : 0;
let requestId;

export function setRequestId(id) {
  requestId = id;
}

function describe(error) {
  const stackTrace = (error.stack ?? "").split("\n").slice(1).map((line) => line.trim());
  return { errorType: error.name ?? "Error", errorMessage: error.message, stackTrace };
}

function jsonLine(level, parameters) {
  const line = { timestamp: new Date().toISOString(), level, requestId };
  const plain = (_key, value) => (value instanceof Error ? describe(value) : value);
  if (parameters.length === 1) {
    try {
      return JSON.stringify({ ...line, message: parameters[0] }, plain);
    } catch {
      // Circular: written as text.
    }
  }
  line.message = format(...parameters);
  const error = parameters.find((value) => value instanceof Error);
  if (error) Object.assign(line, describe(error));
  return JSON.stringify(line);
}

function textLine(level, parameters) {
  return `${new Date().toISOString()}\t${requestId}\t${level}\t${format(...parameters)}`;
}

function emit(level, parameters) {
  if (PRIORITY[level] < threshold) return;
  const line = asJson ? jsonLine(level, parameters) : textLine(level, parameters);
  let bytes = Buffer.from(line.replaceAll("\n", RECORD_SEPARATOR) + "\n");
  while (bytes.length) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (problem) {
      if (problem.code !== "EAGAIN") return;
    }
  }
}

export function installConsole() {
  for (const [name, level] of Object.entries(METHODS)) console[name] = (...parameters) => emit(level, parameters);
}

export function logError(label, error) {
  if (asJson) return emit("ERROR", [error]);
  const stack = String(error?.stack ?? error).split("\n");
  const { name, message, ...rest } = error instanceof Error ? { name: error.name, message: error.message, ...error } : {};
  const document = { errorType: name ?? typeof error, errorMessage: message ?? String(error), ...rest, stack };
  emit("ERROR", [`${label} \t${JSON.stringify(document, (_key, value) => (value instanceof Error ? String(value) : value))}`]);
}
