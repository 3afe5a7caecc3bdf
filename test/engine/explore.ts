import { frameFlows } from './frame-flows.js';
import { readWithTshark } from './tshark-frames.js';
const files = process.argv.slice(2);
const NUMBERS: Record<string, number> = { tcp: 6, udp: 17, sctp: 132 };
for (const file of files) {
  const [mine, theirs] = await Promise.all([frameFlows(file).catch((e) => String(e)), readWithTshark(file)]);
  if (typeof mine === 'string') { console.log(file, mine); continue; }
  const kinds = new Map<string, [number, number]>();
  const note = (text: string, n: number): void => {
    const e = kinds.get(text);
    if (e) e[0]++; else kinds.set(text, [1, n]);
  };
  if (mine.length !== theirs.frames.length) console.log(file, 'COUNT', mine.length, theirs.frames.length);
  for (const t of theirs.frames) {
    const m = mine[t.number - 1];
    if (m === undefined) continue;
    const inner = t.layers.at(-1);
    const pr = t.protocols.join(':');
    if (m.refused !== undefined) { if (t.layers.length > 0) note(`refused ${m.refused}: ${pr}`, t.number); continue; }
    if (inner === undefined) { note(`metered but no IP: ${pr}`, t.number); continue; }
    const mt = `${m.src} ${m.srcPort ?? '-'} ${m.dst} ${m.dstPort ?? '-'}`;
    const tt = `${inner.src} ${inner.srcPort ?? '-'} ${inner.dst} ${inner.dstPort ?? '-'}`;
    if (mt !== tt) note(`differ ${t.layers.length} layers, ${m.protocol}${m.srcPort !== undefined ? ' ports':''}, offset ${inner.fragmentOffset > 0}, mal ${t.malformed}: ${pr}`, t.number);
    else if (t.layers.length > 1) note(`same, ${t.layers.length} layers ${pr.replace(/:(?:tls|http|dns|tcp|data|udp|icmp).*$/, '')}`, t.number);
  }
  for (const [text, [count, first]] of kinds) console.log(`${file.replace(/.*captures./, '')}\t${count}\t#${first}\t${text}`);
}
