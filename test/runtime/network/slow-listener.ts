/**
 * A server that accepts no connection at first: the test fills its queue, so the kernel drops each SYN. After
 * `blockedMs` it accepts, and a connection is made by the second SYN, a second after the first, as over a long round
 * trip. Blocked for long, it is an address whose packets are lost. Prints the port, then the first bytes of each
 * connection, one line of JSON each.
 */
import { createServer } from 'node:net';
import { BACKLOG } from './slow-connects.ts';

const [host, port, blockedMs] = process.argv.slice(2);

const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    process.stdout.write(`${JSON.stringify(bytes.toString('latin1', 0, 60))}\n`);
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
  });
});
server.listen({ host, port: Number(port), backlog: BACKLOG }, () => {
  process.stdout.write(`${(server.address() as { port: number }).port}\n`, () => {
    // Blocks the event loop, and with it accept().
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(blockedMs));
  });
});
