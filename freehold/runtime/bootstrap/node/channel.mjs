// HTTP/1.1 on one inherited stream socket; answers come in the order of the requests.

import net from "node:net";

const NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n";
const END_OF_HEAD = Buffer.from("\r\n\r\n");

export class Channel {
  #socket;
  #pieces = [];
  #size = 0;
  #head = null;
  #waiting = null;

  constructor(fd) {
    this.#socket = new net.Socket({ fd, readable: true, writable: true });
    this.#socket.on("data", (data) => this.#receive(data));
    this.#socket.on("close", () => process.exit(0));
    this.#socket.on("error", () => process.exit(0));
    this.#socket.unref();
  }

  // The next event. Only while it is awaited does the socket keep the process alive.
  next() {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#socket.ref();
      this.#socket.write(NEXT);
    });
  }

  post(path, body, errorType) {
    const bytes = Buffer.from(body);
    const kind = errorType ? `Lambda-Runtime-Function-Error-Type: ${errorType.replace(/[^\x20-\x7e]/g, "?")}\r\n` : "";
    this.#socket.cork();
    this.#socket.write(
      `POST /2018-06-01/runtime/${path} HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n${kind}` +
        `Freehold-Peak-Kb: ${process.resourceUsage().maxRSS}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    );
    this.#socket.write(bytes);
    process.nextTick(() => this.#socket.uncork());
  }

  write(data, callback) {
    return this.#socket.write(data, callback);
  }

  flush(callback) {
    this.#socket.write("", () => callback());
  }

  #receive(data) {
    this.#pieces.push(data);
    this.#size += data.length;
    while (this.#takeOne());
  }

  #takeOne() {
    if (!this.#head) {
      const all = this.#join();
      const end = all.indexOf(END_OF_HEAD);
      if (end < 0) return false;
      const [status, ...lines] = all.toString("utf8", 0, end).split("\r\n");
      const headers = {};
      for (const line of lines) {
        const colon = line.indexOf(":");
        headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
      this.#head = { status: status.slice(9, 12), headers, length: Number(headers["content-length"] ?? 0) };
      this.#keep(all.subarray(end + 4));
    }
    if (this.#size < this.#head.length) return false;
    const all = this.#join();
    const { status, headers, length } = this.#head;
    this.#head = null;
    this.#keep(all.subarray(length));
    // Answers to posts are passed over: what was refused has been dealt with by the server.
    if (status === "200" && this.#waiting) {
      const resolve = this.#waiting;
      this.#waiting = null;
      this.#socket.unref();
      resolve({ headers, body: all.subarray(0, length) });
    }
    return this.#size > 0;
  }

  #join() {
    const all = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [all];
    return all;
  }

  #keep(rest) {
    this.#pieces = rest.length ? [rest] : [];
    this.#size = rest.length;
  }
}
