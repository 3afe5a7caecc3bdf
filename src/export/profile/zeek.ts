import { flagBits, microText, type ProfileFlow } from './flow.js';

const Flag = { fin: 1, syn: 2, rst: 4 } as const;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Zeek's unique id: `C` and digits to the base 62. */
function uid(id: string): string {
  let rest = BigInt(`0x${id}`);
  let text = '';
  for (let k = 0; k < 11; k++) {
    text = DIGITS[Number(rest % 62n)] + text;
    rest /= 62n;
  }
  return `C${text}`;
}

/**
 * Zeek's connection state, as far as flags without their order tell it. Of TCP: who sent SYN, FIN, RST; of others: whether
 * somebody answered.
 */
function connState({ record, protocol }: ProfileFlow): string {
  if (protocol === 1 || protocol === 58) return 'OTH';
  const answered = record.reversePackets !== 0;
  if (protocol !== 6) return answered ? 'SF' : 'S0';
  const from = flagBits(record.tcpFlags);
  const to = flagBits(record.reverseTcpFlags);
  if ((from & Flag.syn) === 0) return (to & Flag.syn) !== 0 && (to & Flag.rst) !== 0 ? 'RSTRH' : 'OTH';
  if (!answered) return (from & Flag.rst) !== 0 ? 'RSTOS0' : (from & Flag.fin) !== 0 ? 'SH' : 'S0';
  if ((to & Flag.syn) === 0) return (to & Flag.rst) !== 0 ? 'REJ' : 'OTH';
  if ((from & Flag.rst) !== 0) return 'RSTO';
  if ((to & Flag.rst) !== 0) return 'RSTR';
  if ((from & Flag.fin) !== 0) return (to & Flag.fin) !== 0 ? 'SF' : 'S2';
  return (to & Flag.fin) !== 0 ? 'S3' : 'S1';
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' };

/** Columns of conn.log that we fill: name, Zeek's type, value (undefined: unset). */
export const ZEEK_COLUMNS: readonly (readonly [string, string, (flow: ProfileFlow) => unknown])[] = [
  ['ts', 'time', (flow) => seconds(flow.startSeconds, flow.startNanos)],
  ['uid', 'string', ({ record }) => uid(record.id)],
  ['id.orig_h', 'addr', ({ record }) => record.src],
  ['id.orig_p', 'port', ({ record }) => record.srcPort ?? record.icmp?.type ?? 0],
  ['id.resp_h', 'addr', ({ record }) => record.dst],
  ['id.resp_p', 'port', ({ record }) => record.dstPort ?? record.icmp?.code ?? 0],
  ['proto', 'enum', ({ protocol }) => PROTOCOLS[protocol ?? 0] ?? 'unknown_transport'],
  ['service', 'string', ({ record }) => record.app],
  ['duration', 'interval', (flow) => interval(flow)],
  ['orig_bytes', 'count', ({ record }) => record.payloadBytes],
  ['resp_bytes', 'count', ({ record }) => record.reversePayloadBytes],
  ['conn_state', 'string', connState],
  ['orig_pkts', 'count', ({ record }) => record.packets],
  ['orig_ip_bytes', 'count', ({ record }) => record.bytes],
  ['resp_pkts', 'count', ({ record }) => record.reversePackets],
  ['resp_ip_bytes', 'count', ({ record }) => record.reverseBytes],
  ['vlan', 'int', ({ record }) => (record.vlan as number[] | undefined)?.[0]],
  ['inner_vlan', 'int', ({ record }) => (record.vlan as number[] | undefined)?.[1]],
  ['orig_l2_addr', 'string', ({ record }) => record.srcMac],
  ['resp_l2_addr', 'string', ({ record }) => record.dstMac],
  ['community_id', 'string', ({ record }) => record.communityId],
];

/** Seconds with six digits, as Zeek writes times and intervals; a number in JSON, so kept as its digits. */
class Seconds {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  valueOf(): number {
    return Number(this.text);
  }
}

function seconds(whole: number, nanos: number): Seconds {
  return new Seconds(`${whole}.${microText(nanos)}`);
}

function interval({ startSeconds, startNanos, endSeconds, endNanos }: ProfileFlow): Seconds | undefined {
  let whole = endSeconds - startSeconds;
  let nanos = endNanos - startNanos;
  if (nanos < 0) {
    nanos += 1e9;
    whole--;
  }
  // Zeek leaves out the duration of a single packet.
  return whole < 0 || (whole === 0 && nanos === 0) ? undefined : seconds(whole, nanos);
}

/** A line of conn.log as Zeek writes it with JSON logs. */
export function zeekJson(flow: ProfileFlow): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const [name, , read] of ZEEK_COLUMNS) {
    const value = read(flow);
    if (value !== undefined) line[name] = value instanceof Seconds ? value.valueOf() : value;
  }
  return line;
}

/** What stands at the head of conn.log with tabs. */
export function zeekHeader(): string {
  const names = ZEEK_COLUMNS.map(([name]) => name).join('\t');
  const types = ZEEK_COLUMNS.map(([, type]) => type).join('\t');
  return (
    '#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n' +
    `#fields\t${names}\n#types\t${types}\n`
  );
}

/** Bytes that would end a column or line are written as Zeek does: `\x09`. */
function cell(value: unknown): string {
  if (value === undefined) return '-';
  const text = value instanceof Seconds ? value.text : String(value);
  if (text === '') return '(empty)';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not stand in a line
  return text.replace(/[\x00-\x1f\\\x7f]/g, (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export function zeekLine(flow: ProfileFlow): string {
  return ZEEK_COLUMNS.map(([, , read]) => cell(read(flow))).join('\t');
}
