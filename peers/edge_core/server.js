'use strict';

// A JSON-RPC server in Edge Core's place, made with json-rpc-ws: the library that Edge Core's own
// JavaScript examples are written with, so that its idea of the protocol is the one that counts.
//
//   node server.js SOCKET
//
// It tells what happens as one JSON object a line on stdout, `{"event":…}`, and takes commands of
// the cloud as one JSON object a line on stdin:
//
//   {"deviceId":…, "resourceId":5701, "operation":4, "payload":"…"}
//
// It ends, cutting all connections, when stdin does.

const fs = require('fs');
const http = require('http');
const readline = require('readline');
const jsonRpcWs = require('json-rpc-ws');

const socketPath = process.argv[2];
if (!socketPath) {
  console.error('usage: node server.js SOCKET');
  process.exit(64);
}

const tell = (event, details) => console.log(JSON.stringify({ event, ...details }));
const server = jsonRpcWs.createServer();
const translators = new Map(); // connection id -> name
const devices = new Map(); // device id -> { connection, values: Map(path -> string) }

function fail(reply, code, message) {
  reply({ code, message }, null);
}

// The resources of `device_register` and `write`, by path, with their values decoded.
function resources(params) {
  const found = {};
  for (const object of params.objects || []) {
    for (const instance of object.objectInstances || []) {
      for (const { resourceId, operations, type, value } of instance.resources || []) {
        const path = `/${object.objectId}/${instance.objectInstanceId}/${resourceId}`;
        found[path] = { operations, type };
        if (value !== undefined) {
          found[path].value = Buffer.from(value, 'base64').toString('utf8');
        }
      }
    }
  }
  return found;
}

function keep(connection, params) {
  const described = resources(params);
  if (!devices.has(params.deviceId)) {
    devices.set(params.deviceId, { connection, values: new Map() });
  }
  const { values } = devices.get(params.deviceId);
  for (const [path, { value }] of Object.entries(described)) {
    if (value) {
      values.set(path, value);
    }
  }
  return described;
}

server.expose('protocol_translator_register', function register(params, reply) {
  if (!params || typeof params.name !== 'string' || !params.name) {
    return fail(reply, -32602, "Key 'name' missing");
  }
  translators.set(this.id, params.name);
  tell('translator', { name: params.name });
  reply(null, 'ok');
});

server.expose('device_register', function register(params, reply) {
  if (!translators.has(this.id)) {
    return fail(reply, -30001, 'Protocol translator not registered.');
  }
  if (devices.has(params.deviceId)) {
    return fail(reply, -30005, 'Cannot register endpoint, because it\'s already registered.');
  }
  const described = keep(this.id, params);
  tell('device', { deviceId: params.deviceId, resources: described });
  reply(null, 'ok');
});

server.expose('write', function write(params, reply) {
  if (!translators.has(this.id)) {
    return fail(reply, -30001, 'Protocol translator not registered.');
  }
  const described = keep(this.id, params);
  tell('write', { deviceId: params.deviceId, resources: described });
  reply(null, 'ok');
});

server.expose('device_unregister', function unregister(params, reply) {
  if (!devices.delete(params.deviceId)) {
    return fail(reply, -30102, 'Resource not found.');
  }
  tell('unregistered', { deviceId: params.deviceId });
  reply(null, 'ok');
});

// Delivers a command. The library makes the id, and calls back only for a reply that echoes it.
function deliver({ deviceId, resourceId, operation, payload }) {
  const device = devices.get(deviceId);
  if (!device) {
    return tell('undeliverable', { deviceId });
  }
  const uri = { deviceId, objectId: 33311, objectInstanceId: 0, resourceId };
  const params = { operation, uri, value: Buffer.from(payload).toString('base64') };
  server.send(device.connection, 'write', params, (error, result) => {
    // What the cloud's POST returns: the resource's value at this moment.
    const value = device.values.get(`/33311/0/${resourceId}`);
    tell('reply', { payload, error, result, value });
  });
}

fs.rmSync(socketPath, { force: true });
const listener = http.createServer();
server.start({ server: listener, path: '/1/pt' });
server.server.on('connection', (socket) => {
  // Told before the library acts on it.
  socket.prependListener('message', (text) => tell('received', { text }));
  socket.on('close', (code) => {
    for (const [id, { connection }] of devices) {
      if (!server.getConnection(connection)) {
        devices.delete(id);
      }
    }
    tell('closed', { code });
  });
});
listener.listen(socketPath, () => tell('listening', {}));

const commands = readline.createInterface({ input: process.stdin });
commands.on('line', (line) => deliver(JSON.parse(line)));
// Without a close frame, as when Edge Core ends.
commands.on('close', () => process.exit(0));
