// Preloaded with `node --require` into servers that would listen on every interface: whatever they ask for,
// a TCP server listens on 127.0.0.1. Says on standard error which port it got, so that a test can ask for
// port 0 and read the real one. With EXIT_WITH_STDIN set the process ends when its standard input closes, so
// that it never outlives what started it, not even when that was killed.
"use strict";

const net = require("node:net");

if (process.env.EXIT_WITH_STDIN) {
  process.stdin.on("end", () => process.exit(0)).resume();
}

const LOOPBACK = "127.0.0.1";
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (...args) {
  this.once("listening", () => {
    const address = this.address();
    if (address !== null && typeof address === "object") {
      process.stderr.write(`listening on ${address.address}:${address.port}\n`);
    }
  });
  return listen.apply(this, onLoopback(args));
};

// The forms of `listen` that mean TCP: (port, host?, backlog?, done?), (options, done?), (done?).
function onLoopback(args) {
  const [first] = args;
  const done = args.filter((arg) => typeof arg === "function").slice(-1);
  if (first === undefined || first === null || typeof first === "function") {
    return [{ port: 0, host: LOOPBACK }, ...done];
  }
  if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
    return [{ port: Number(first), host: LOOPBACK }, ...done];
  }
  if (typeof first === "object" && "port" in first) {
    return [{ ...first, host: LOOPBACK, ipv6Only: false }, ...done];
  }
  return args; // A Unix socket or a descriptor that somebody opened on purpose.
}
