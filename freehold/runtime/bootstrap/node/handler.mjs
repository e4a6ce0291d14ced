// Finding the handler that the configuration names, and error documents.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);

class RuntimeError extends Error {
  constructor(kind, message, stack) {
    super(message);
    this.name = `Runtime.${kind}`;
    this.stack = `${this.name}: ${message}${stack ? `\n${stack}` : ""}`;
  }
}

export function errorDocument(error) {
  if (error instanceof Error || (error && typeof error === "object" && "message" in error && "stack" in error)) {
    const document = { errorType: error.name, errorMessage: error.message };
    if (error.reason !== undefined) {
      document.reason = error.reason instanceof Error ? errorDocument(error.reason) : error.reason;
      document.promise = {};
    }
    document.trace = String(error.stack).split("\n");
    return document;
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (file.endsWith(".cjs")) return false;
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    const manifest = path.join(directory, "package.json");
    if (existsSync(manifest)) {
      try {
        return JSON.parse(readFileSync(manifest, "utf8")).type === "module";
      } catch {
        return false;
      }
    }
    if (directory === path.dirname(directory)) return false;
  }
}

async function loadModule(file, name) {
  for (const candidate of [file, `${file}.js`, `${file}.mjs`, `${file}.cjs`]) {
    if (candidate !== file || path.extname(file)) {
      if (existsSync(candidate)) return isModule(candidate) ? await import(pathToFileURL(candidate)) : require(candidate);
    }
  }
  const missing = new Error(`Cannot find module '${name}'\nRequire stack:\n- /var/runtime/index.mjs`);
  missing.code = "MODULE_NOT_FOUND";
  throw missing;
}

export async function load(root, name) {
  if (!name || name.includes("..")) throw new RuntimeError("MalformedHandlerName", `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const base = path.basename(name);
  const match = /^([^.]*)\.(.*)$/.exec(base);
  if (!match) throw new RuntimeError("MalformedHandlerName", "Bad handler");
  const moduleName = path.join(name.slice(0, name.length - base.length), match[1]);
  let found;
  try {
    found = await loadModule(path.resolve(root, moduleName), moduleName);
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeError("UserCodeSyntaxError", String(error), error.stack);
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") {
      throw new RuntimeError("ImportModuleError", String(error), error.stack);
    }
    throw error;
  }
  const steps = match[2].split(".");
  let handler = steps.reduce((value, step) => value?.[step], found);
  if (handler === undefined && found?.default) handler = steps.reduce((value, step) => value?.[step], found.default);
  if (handler === undefined || handler === null) {
    throw new RuntimeError("HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") throw new RuntimeError("HandlerNotFound", `${name} is not a function`);
  return handler;
}
