// Records what Node's sockets and servers emit, as node_facts.json: `node record_node_facts.js` with the version named there.
// test_node_facts.py holds the same programs in Python, under the same names. Each side of a connection has a log of its own: how the
// two mix is the kernel's affair. The server's own log has 'listening', 'connection', 'close'.
'use strict';
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');

const EVENTS = ['connect', 'ready', 'end', 'prefinish', 'finish', 'drain', 'pause', 'resume', 'timeout', 'error', 'close'];
const text = (value) => (value instanceof Error ? value.code || value.message : Buffer.isBuffer(value) ? String(value) : value);

// Each program prepares the server, and returns what is done with the client as soon as it connects.
const programs = {
  echo(server, log) {
    server.on('connection', (socket) => {
      log.watch('server', socket);
      socket.on('data', (data) => { socket.write(data); socket.end(); });
    });
    return (client) => {
      client.on('data', (data) => log.client('data', data));
      client.write('hi', () => log.client('written'));
    };
  },
  the_client_ends(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).resume());
    return (client) => { client.resume(); client.end('bye', () => log.client('ended')); };
  },
  half_open(server, log) {
    server.allowHalfOpen = true;
    server.on('connection', (socket) => {
      log.watch('server', socket).on('data', (data) => log.server('data', data));
      socket.on('end', () => setImmediate(() => { socket.write('late'); socket.end(); }));
    });
    return (client) => { client.on('data', (data) => log.client('data', data)); client.end('x'); };
  },
  both_half_open_and_nobody_ends(server, log) {
    server.allowHalfOpen = true;
    server.on('connection', (socket) => {
      log.watch('server', socket).resume();
      socket.on('end', () => setTimeout(() => { log.server(socket.writable, socket.destroyed); socket.destroy(); }, 20));
    });
    return (client) => { client.resume(); client.end(); };
  },
  the_server_destroys(server, log) {
    server.on('connection', (socket) => { log.watch('server', socket).destroy(); log.server(socket.destroyed, socket.readyState); });
    return (client) => client.resume();
  },
  destroyed_with_an_error(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).resume());
    return (client) => client.on('connect', () => { client.destroy(new Error('boom')); log.client(client.readyState); });
  },
  refused(server, log) {
    server.isRefusing = true;
    return (client) => client.write('x', (error) => log.client('write', error));
  },
  write_after_the_peer_has_ended(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).resume().end('z'));
    return (client) => {
      client.resume().on('end', () => setImmediate(() => {
        log.client('write', client.write('q', (error) => log.client('written', error)));
      }));
    };
  },
  timeout(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).resume());
    return (client) => client.resume().setTimeout(30, () => { log.client('callback'); client.destroySoon(); });
  },
  a_timeout_that_is_taken_back(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).resume());
    return (client) => {
      const listener = () => log.client('never');
      client.resume().setTimeout(20, listener).setTimeout(0, listener);
      log.client(client.timeout, client.listenerCount('timeout'));
      setTimeout(() => client.end(), 60);
    };
  },
  destroyed_before_it_is_connected(server, log) {
    return (client) => {
      client.write('x', (error) => log.client('written', error));
      client.end(() => log.client('ended'));
      client.destroy();
      log.client(client.readyState, client.connecting, client.pending);
    };
  },
  ready_states(server, log) {
    server.on('connection', (socket) => {
      socket.on('end', () => log.server('end', socket.readyState)).on('close', () => log.server('close', socket.readyState));
      log.server(socket.resume().readyState, socket.pending, socket.connecting);
    });
    return (client) => {
      log.client(client.readyState, client.pending, client.connecting);
      client.resume().on('connect', () => {
        log.client(client.readyState, client.pending, client.connecting);
        client.end();
        log.client(client.readyState);
      });
      client.on('end', () => log.client(client.readyState)).on('close', () => log.client(client.readyState, client.pending));
    };
  },
  more_than_the_kernel_takes(server, log) {
    server.on('connection', (socket) => {
      let size = 0;
      socket.on('data', (data) => { size += data.length; }).on('end', () => log.server('end', size));
    });
    return (client) => {
      log.client(client.resume().write(Buffer.alloc(20e6), () => log.client('first')));
      log.client(client.write('x', () => log.client('second')), client.bytesWritten);
      client.end(() => log.client('ended')).on('close', () => log.client(client.bytesWritten));
    };
  },
  reset(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).on('data', () => socket.resetAndDestroy()));
    return (client) => client.resume().write('x');
  },
  destroyed_soon(server, log) {
    let size = 0;
    server.on('connection', (socket) => socket.on('data', (data) => { size += data.length; }).on('end', () => log.server(size)));
    return (client) => client.resume().on('connect', () => { client.write(Buffer.alloc(8e6)); client.destroySoon(); });
  },
  too_many_connections(server, log) {
    server.maxConnections = 0;
    server.on('drop', (ends) => log.listener('drop', Object.keys(ends).length, ends.localAddress, ends.remoteFamily));
    return (client) => client.resume();
  },
  paused_on_connect(server, log) {
    server.pauseOnConnect = true;
    server.on('connection', (socket) => {
      log.watch('server', socket).on('data', (data) => log.server('data', data));
      log.server(socket.isPaused(), socket.readableFlowing);
      setTimeout(() => { log.server(socket.readableLength, socket.bytesRead); socket.resume(); }, 30);
    });
    return (client) => client.resume().end('waits');
  },
  readable_events(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).end('abcdef'));
    return (client) => {
      let chunk;
      client.on('readable', () => { while ((chunk = client.read(4)) !== null) log.client('read', chunk); });
    };
  },
  corked(server, log) {
    server.on('connection', (socket) => socket.on('data', (data) => log.server('data', data)));
    return (client) => client.resume().on('connect', () => {
      client.cork();
      for (const word of ['a', 'b', 'c']) client.write(word, () => log.client('written', word));
      client.uncork();
      client.end();
    });
  },
  destroyed_in_data(server, log) {
    server.on('connection', (socket) => log.watch('server', socket).on('data', (data) => {
      log.server('data', data);
      socket.destroy();
      log.server(socket.bytesRead);
    }));
    return (client) => client.resume().on('error', () => {}).write('x');
  },
  encoding(server, log) {
    server.on('connection', (socket) => { socket.resume().end(Buffer.from('grün €', 'utf8')); });
    return (client) => client.setEncoding('utf8').on('data', (data) => log.client('data', data, data.length));
  },
  not_running(server, log) {
    return (client) => client.on('connect', () => {
      client.destroy();
      server.close(() => { server.close((error) => log.listener('second', error)); });
    });
  },
  connections_are_counted(server, log) {
    server.on('connection', (socket) => {
      server.getConnections((error, count) => log.listener('count', error, count));
      socket.resume().on('close', () => server.getConnections((error, count) => log.listener('count', error, count)));
      log.listener(server.listening, socket.server === server);
    });
    return (client) => client.resume().end();
  },
  closing_waits_for_connections(server, log) {
    server.on('connection', (socket) => {
      log.watch('server', socket).resume();
      server.close(() => log.listener('callback', server.listening));
      log.listener(server.listening, server.address());
    });
    return (client) => { client.resume(); setTimeout(() => client.end(), 30); };
  },
};

function run(name, where) {
  const logs = { client: [], server: [], listener: [] };
  const log = {};
  for (const who of Object.keys(logs)) log[who] = (...values) => logs[who].push(values.map(text));
  log.watch = (who, socket) => {
    for (const event of EVENTS) socket.on(event, (...values) => log[who](event, ...values));
    return socket;
  };
  const server = net.createServer();
  const begin = programs[name](server, log);
  for (const event of ['listening', 'error', 'close']) server.on(event, (...values) => log.listener(event, ...values));
  server.on('connection', () => log.listener('connection'));
  const connect = (to) => {
    const client = net.connect(to);
    log.watch('client', client);
    begin(client);
    client.on('close', () => { if (server.listening) server.close(); });
  };
  server.listen(where === 'unix' ? { path: path.join(os.tmpdir(), `facts-${process.pid}`) } : { port: 0, host: '127.0.0.1' }, () => {
    const address = server.address();
    const to = typeof address === 'string' ? { path: address } : { port: address.port, host: address.address };
    if (server.isRefusing) server.close(() => connect(to)); else connect(to);
  });
  process.on('exit', () => process.stdout.write(JSON.stringify(logs)));
}

if (process.argv.length > 2) {
  run(...process.argv.slice(2));
} else {
  const lines = [];
  for (const name of Object.keys(programs)) {
    const logs = String(execFileSync(process.execPath, [__filename, name, 'tcp'], { timeout: 20000 }));
    lines.push(`    ${JSON.stringify(name)}: ${logs}`);
  }
  fs.writeFileSync(path.join(__dirname, 'node_facts.json'),
    `{\n  "node": ${JSON.stringify(process.version.slice(1))},\n  "logs": {\n${lines.join(',\n')}\n  }\n}\n`);
}
