import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What a datagram of IPFIX or NetFlow v9 holds: templates (also of options) or only records. */
function hasTemplates(message: Buffer): boolean {
  const ipfix = message.readUInt16BE(0) === 10;
  for (let at = ipfix ? 16 : 20; at + 4 <= message.length; at += Math.max(4, message.readUInt16BE(at + 2))) {
    // Sets 2 and 3 in IPFIX, 0 and 1 in NetFlow v9.
    if (message.readUInt16BE(at) < 4) return true;
  }
  return false;
}

/** Datagrams to its port go on to another one, whether or not somebody listens there: who sends never learns of it. */
export class Relay {
  /** Datagrams that went on, and those with templates among them. */
  forwarded = 0;
  announcements = 0;
  private readonly receiver: Socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 2 ** 20 });
  private readonly sender: Socket = createSocket('udp4');

  /** @param to port of 127.0.0.1 */
  static async open(to: number): Promise<Relay> {
    const relay = new Relay();
    relay.receiver.on('message', (message) => {
      relay.sender.send(message, to, '127.0.0.1', () => {
        relay.forwarded++;
        if (hasTemplates(message)) relay.announcements++;
      });
    });
    relay.sender.on('error', () => {});
    relay.receiver.bind(0, '127.0.0.1');
    await once(relay.receiver, 'listening');
    return relay;
  }

  get port(): number {
    return this.receiver.address().port;
  }

  close(): void {
    this.receiver.close();
    this.sender.close();
  }
}
