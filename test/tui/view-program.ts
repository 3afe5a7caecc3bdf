// The live view on a made-up table whose flows move; run by the tests within a terminal of tmux.
//   node view-program.js [flows=N] [throw] [wide] [quiet]
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import { runLiveView } from '../../src/tui/live-view.js';
import { NameBook } from '../../src/tui/names.js';
import { exitWithoutTerminal } from '../../src/tui/terminal-session.js';
import { flowWith, interfaceWith, lossWith, WatchedDouble } from './watched.js';

const words = process.argv.slice(2);
const count = Number(words.find((word) => word.startsWith('flows='))?.slice(6) ?? 30);
const names = new NameBook(true);
names.learn(
  new Map([
    ['10.0.0.2', 'laptop.example.org'],
    ['10.0.0.3', 'a-name-that-is-much-longer-than-its-column-will-ever-be.example.org'],
  ]),
);
if (words.includes('wide')) {
  names.learn(
    new Map([
      ['10.0.0.2', '打印机.例え'],
      ['10.0.0.3', '\u001b[31mred\u001b]0;title\u0007'],
      ['10.0.0.4', 'e\u0301té-\u{1f5a8}\ufe0f'],
    ]),
  );
}

const service = new WatchedDouble();
let round = 0;
let octets = 0;
let packets = 0;

function move(): void {
  round++;
  service.table = Array.from({ length: words.includes('quiet') ? 0 : count }, (_, k) => {
    const speed = k % 7 === 6 ? 0 : 5_000_000 / (k + 1) ** 1.5;
    const bytes = Math.round(speed * (round + 0.5 * Math.sin(round / (k + 1))));
    octets += k === 0 ? bytes / round : 0;
    packets += k;
    const other =
      k % 5 === 4 ? { proto: 'icmp', icmp: { type: 8, code: 0 }, srcPort: undefined, dstPort: undefined } : {};
    const six =
      k % 6 === 5 ? { src: '2001:db8:85a3::8a2e:370:7334', dst: '2001:db8::53', proto: 'udp', dstPort: 53 } : {};
    return flowWith(k + 1, { bytes, reverseBytes: bytes * 3, packets: round * (count - k), ...other, ...six });
  });
  service.ledger = lossWith({
    decoded: packets,
    packets,
    octets,
    dropped: round > 2 && words.includes('lossy') ? 40 : 0,
    refused: {},
    elapsed: round,
    flows: { opened: service.table.length, live: service.table.length, ended: {}, peak: service.table.length },
    interfaces: [
      interfaceWith({ packets, bytes: octets }),
      interfaceWith({ index: 1, name: 'lo', packets: 0, bytes: 0 }),
    ],
  });
}

service.onLook = move;
service.failure = ({ filter }) =>
  filter === 'nonsense' ? new RheoError(ErrorCode.filter, "there is no word 'nonsense'") : undefined;
if (words.includes('throw')) {
  setTimeout(() => {
    throw new Error('thrown on purpose');
  }, 700);
}
const ending = await runLiveView(service, { names, color: (process.env.NO_COLOR ?? '') === '', interval: 200 });
if (ending === 'closed') exitWithoutTerminal(7);
process.stdout.write(`the view ended: ${ending}, raw keys: ${process.stdin.isRaw}\n`);
