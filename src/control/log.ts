import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import pino from 'pino';
import { ErrorCode, RheoError } from '../core/errors.js';
import { closest } from '../core/suggest.js';
import { LOG_LEVELS, type LogLevel } from './config/schema.js';
import { type LogOutput, openLogFile, openStandardError } from './log-output.js';
import { RepeatLimit } from './log-repeats.js';
import { redact } from './redact.js';

export type MessageLevel = Exclude<LogLevel, 'silent'>;
export type LogFormat = 'json' | 'readable' | 'journal';

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'readable' | 'auto';
  readonly file?: string | undefined;
}

const SWEEP_MS = 5_000;
/** Members of fields that are never written. */
const SECRET_FIELDS = ['password', 'token', 'secret', 'authorization', 'passphrase', 'cookie'];

/** The log of the daemon. Writing never waits and never fails. */
export class Log {
  readonly #pino: pino.Logger;
  readonly #output: LogOutput;
  readonly #repeats: RepeatLimit;
  readonly #now: () => number;
  readonly #sweeper: NodeJS.Timeout;
  #droppedTold = 0;

  /** @param now monotonic clock in ms */
  constructor(output: LogOutput, level: LogLevel, format: LogFormat, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
    this.#repeats = new RepeatLimit(now());
    this.#pino = pino(
      {
        level,
        base: { pid: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '***' },
      },
      { write: (line: string) => output.write(format === 'json' ? line : readableLine(line, format === 'journal')) },
    );
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  get level(): LogLevel {
    return this.#pino.level as LogLevel;
  }

  set level(level: LogLevel) {
    this.#pino.level = level;
  }

  /** Takes a level from outside. @throws RheoError usage: there is no such level */
  setLevel(level: string): void {
    const known = LOG_LEVELS.find((name) => name === level);
    if (known === undefined) {
      const word = closest(level, LOG_LEVELS);
      throw new RheoError(ErrorCode.usage, `there is no log level '${level}'`, {
        remedy: word === undefined ? `Known are ${LOG_LEVELS.join(', ')}.` : `Did you mean ${word}?`,
      });
    }
    this.level = known;
  }

  /** @param fields JSON members; values of members called password, token and the like are not written */
  write(level: MessageLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.sweep();
    if (!this.#pino.isLevelEnabled(level) || !this.#repeats.admits(level, message)) return;
    this.#pino[level](fields, redact(message));
  }

  /** Tells what was left out, when a minute is over. */
  sweep(): void {
    for (const { level, message, times } of this.#repeats.tick(this.#now())) {
      this.#pino[level as MessageLevel]({ repeated: times }, `${redact(message)} (${times} more like it in a minute)`);
    }
    const { dropped } = this.#output;
    if (dropped === this.#droppedTold) return;
    this.#pino.warn(
      { dropped: dropped - this.#droppedTold },
      `log: ${dropped - this.#droppedTold} lines found no room`,
    );
    this.#droppedTold = this.#output.dropped;
  }

  /** Opens the file again, after a rotation. */
  reopen(): void {
    this.#output.reopen();
  }

  close(): void {
    clearInterval(this.#sweeper);
    this.#output.close();
  }
}

/** @throws RheoError output: the file cannot be opened */
export function openLog(options: LogOptions, environment: NodeJS.ProcessEnv = process.env): Log {
  const { level, file } = options;
  const output = file === undefined ? openStandardError() : openLogFile(file);
  return new Log(output, level, chooseFormat(options, environment));
}

function chooseFormat({ format, file }: LogOptions, environment: NodeJS.ProcessEnv): LogFormat {
  const journal = file === undefined && isJournal(environment);
  if (format === 'json') return 'json';
  if (format === 'readable' || journal) return journal ? 'journal' : 'readable';
  return file === undefined && isatty(2) ? 'readable' : 'json';
}

/** Whether standard error is the stream that systemd has made for the journal (systemd.exec(5), JOURNAL_STREAM). */
function isJournal({ JOURNAL_STREAM: stream }: NodeJS.ProcessEnv): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(2);
  return stream === `${dev}:${ino}`;
}

/** syslog's severities, by which the journal sorts (sd-daemon(3)). */
const SEVERITY: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 };
/** Escape sequences and line ends in names that strangers chose. */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** pino's JSON as `2026-01-31T12:00:00.000Z warn  message  name=value`; for the journal, which has the time, `<4>message`. */
export function readableLine(json: string, journal: boolean): string {
  const { level, time, pid: _, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const members = Object.entries(fields).map(([name, value]) => {
    return `  ${name}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`;
  });
  const text = `${msg}${members.join('')}`.replace(UNSAFE, '?');
  return journal ? `<${SEVERITY[String(level)] ?? 6}>${text}\n` : `${time} ${String(level).padEnd(5)} ${text}\n`;
}
