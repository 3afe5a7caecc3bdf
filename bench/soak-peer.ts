/**
 * The other sides of a soaked daemon: `node soak-peer.js serve` in its namespace, `node soak-peer.js visit` in the one across.
 * `serve` collects on ports 4739 (TCP) and 4740 (UDP) of loopback, answers on port 9000, and takes orders, a line each: `up` and
 * `down` for the collectors, `events` for a client of the daemon's HTTP that vanishes while it is told of events.
 * `visit` talks to port 9000, one connection after the other, each from a new port.
 */
import dgram from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import readline from 'node:readline';
import { RandomStream } from './random.js';

const TCP_COLLECTOR = 4739;
const UDP_COLLECTOR = 4740;
const SERVICE_PORT = 9000;
const SERVICE_ADDRESS = '10.77.0.2';
const HTTP_PORT = 8080;
const VISIT_MS = 50;
const EVENTS_MS = 300;
const MOST_BYTES = 1 << 16;

/** Collectors that throw away what they get, and can go and come back. */
class Collectors {
  private tcp: net.Server | undefined;
  private udp: dgram.Socket | undefined;
  private readonly open = new Set<net.Socket>();

  up(): void {
    if (this.tcp !== undefined) return;
    this.tcp = net.createServer((socket) => {
      this.open.add(socket);
      socket.on('error', () => undefined).on('close', () => this.open.delete(socket));
      socket.resume();
    });
    this.tcp.listen(TCP_COLLECTOR, '127.0.0.1');
    this.udp = dgram.createSocket('udp4').bind(UDP_COLLECTOR, '127.0.0.1');
  }

  down(): void {
    this.tcp?.close();
    this.udp?.close();
    for (const socket of this.open) socket.destroy();
    this.tcp = undefined;
    this.udp = undefined;
  }
}

function vanishingListener(): void {
  const request = http.get({ host: '127.0.0.1', port: HTTP_PORT, path: '/events?what=records,statistics,events' });
  request.on('response', (response) => response.resume().on('error', () => undefined));
  request.on('error', () => undefined);
  setTimeout(() => request.destroy(), EVENTS_MS);
}

function serve(): void {
  const collectors = new Collectors();
  collectors.up();
  const service = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => socket.end(Buffer.alloc(data.readUInt16BE(0))));
  });
  service.listen(SERVICE_PORT, () => process.stdout.write('ready\n'));
  readline.createInterface({ input: process.stdin }).on('line', (order) => {
    if (order === 'up') collectors.up();
    else if (order === 'down') collectors.down();
    else if (order === 'events') vanishingListener();
  });
}

function visit(): void {
  const random = new RandomStream(1);
  setInterval(() => {
    const socket = net.connect(SERVICE_PORT, SERVICE_ADDRESS);
    const wanted = Buffer.alloc(2 + Math.floor(random.next() * 1000));
    wanted.writeUInt16BE(Math.floor(random.next() * MOST_BYTES), 0);
    socket.on('error', () => undefined).on('connect', () => socket.write(wanted));
    socket.resume();
  }, VISIT_MS);
}

if (process.argv[2] === 'serve') serve();
else visit();
