import { hostname } from 'node:os';
import { Added, type EncodedMessage, type FlowEncoder, type RecordRows } from '../../codec/flow-encoder.js';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { didYouMean } from '../../core/suggest.js';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import { timeText } from '../../model/time-text.js';
import { jsonText } from '../value-text.js';

/** Facilities of RFC 5424 §6.2.1, by the names of syslog(3). */
const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['ntp', 'audit', 'alert', 'clock', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
] as const;
const INFORMATIONAL = 6;
/** Of RFC 5612, for documentation: our structured data has no number of its own at IANA. */
const DATA_ID = 'flow@32473';

export interface SyslogOptions {
  readonly maxMessageBytes: number;
  /** Streams: each message behind its length (RFC 6587 §3.4.1, RFC 5425 §4.3). */
  readonly framed: boolean;
  readonly facility: string | undefined;
  readonly app: string | undefined;
  /** `data`: members as parameters of structured data; `json`: as the text of the message. */
  readonly format: 'data' | 'json';
  /** Members in their order. */
  readonly members: readonly RecordField[];
  /** JSON of others' schemas instead of our members. */
  readonly lines: ((batch: RecordBatch, index: number) => readonly string[]) | undefined;
}

const PRINTABLE = /[^\x21-\x7e]/g;

/** Parameter values escape `"`, `\` and `]` (RFC 5424 §6.3.3). */
function parameter(value: unknown): string {
  const text = typeof value === 'string' ? value : jsonText(value);
  return text.replace(/["\\\]]/g, '\\$&');
}

/**
 * Syslog messages (RFC 5424), one for each record, with the time of its last packet. In datagrams each stands alone; on streams
 * several go out together.
 */
export class SyslogEncoder implements FlowEncoder {
  readonly maxMessageBytes: number;
  readonly pending = false;
  readonly refused: Record<string, number> = {};
  open = false;
  waiting = 0;
  readonly #options: SyslogOptions;
  readonly #head: string;
  readonly #tail: string;
  #parts: Buffer[] = [];
  #length = 0;
  #records = 0;

  /** @throws RheoError `RHEO_USAGE` for a facility that there is not */
  constructor(url: string, options: SyslogOptions) {
    this.#options = options;
    this.maxMessageBytes = options.maxMessageBytes;
    const name = options.facility ?? 'local0';
    const facility = (FACILITIES as readonly string[]).indexOf(name);
    if (facility < 0) {
      throw new RheoError(ErrorCode.usage, `target ${url}: option 'facility': '${name}' is not known`, {
        remedy: didYouMean(name, FACILITIES, '', `Known are ${FACILITIES.join(', ')}.`),
      });
    }
    const host = hostname().replace(PRINTABLE, '').slice(0, 255) || '-';
    const app = (options.app ?? 'rheo').replace(PRINTABLE, '').slice(0, 48) || '-';
    this.#head = `<${facility * 8 + INFORMATIONAL}>1 `;
    this.#tail = ` ${host} ${app} ${process.pid} flow `;
  }

  announce(): void {}
  reset(): void {
    this.#parts = [];
    this.#length = 0;
    this.#records = 0;
    this.waiting = 0;
    this.open = false;
  }
  withdraw(): void {}

  begin(): void {
    this.reset();
    this.open = true;
  }

  add(rows: RecordRows, index: number): Added {
    const { framed } = this.#options;
    if (!framed && this.#records > 0) return Added.full;
    const messages = this.#messages(rows as RecordBatch, index);
    const length = messages.reduce((sum, message) => sum + message.length, 0);
    if (length > this.maxMessageBytes || (!framed && messages.length > 1)) {
      this.refused.tooLarge = (this.refused.tooLarge ?? 0) + 1;
      return Added.refused;
    }
    if (this.#length + length > this.maxMessageBytes) return Added.full;
    this.#parts.push(...messages);
    this.#length += length;
    this.#records++;
    this.waiting = this.#records;
    return Added.done;
  }

  finish(): EncodedMessage {
    const message = {
      bytes: this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#length),
      records: this.#records,
      dataRecords: this.#records,
      announces: false,
    };
    this.reset();
    return message;
  }

  #messages(batch: RecordBatch, index: number): Buffer[] {
    const { framed, lines, members, format } = this.#options;
    const at = index * batch.layout.stride;
    // RFC 5424 has six digits of the second at the most.
    const time = `${timeText(batch.unsigned[at + Row.lastSeconds], batch.unsigned[at + Row.lastNanos]).slice(0, 26)}Z`;
    const head = `${this.#head}${time}${this.#tail}`;
    let bodies: readonly string[];
    if (lines !== undefined) bodies = lines(batch, index).map((line) => `- ${line}`);
    else if (format === 'json') bodies = [`- ${json(batch, index, members)}`];
    else bodies = [data(batch, index, members)];
    return bodies.map((body) => {
      const message = Buffer.from(head + body);
      return framed ? Buffer.concat([Buffer.from(`${message.length} `), message]) : message;
    });
  }
}

function json(batch: RecordBatch, index: number, members: readonly RecordField[]): string {
  const parts: string[] = [];
  for (const field of members) {
    const value = field.read(batch, index);
    if (value !== undefined) parts.push(`${JSON.stringify(field.name)}:${jsonText(value)}`);
  }
  return `{${parts.join(',')}}`;
}

function data(batch: RecordBatch, index: number, members: readonly RecordField[]): string {
  let text = `[${DATA_ID}`;
  for (const field of members) {
    const value = field.read(batch, index);
    // Names are ours: letters and digits, 32 of them at the most (RFC 5424 §6.3.3).
    if (value !== undefined) text += ` ${field.name.slice(0, 32)}="${parameter(value)}"`;
  }
  return `${text}]`;
}
