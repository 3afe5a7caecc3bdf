import { ErrorCode, RheoError } from '../core/errors.js';
import { ScaleSink } from '../export/scale.js';
import type { RecordFormat } from '../model/core-fields.js';
import type { FlowHook, RecordField } from '../model/hook.js';
import type { ReadOptions } from '../model/options.js';
import { readMembers, recordMembers } from '../model/read-record.js';
import type { FlowRecord } from '../model/record.js';
import type { RecordBatch } from '../model/record-batch.js';
import type { Interface } from '../model/source.js';
import type { Progress, Summary } from '../model/summary.js';
import type { CaptureBytes } from '../observe/given-bytes.js';
import { Handover } from './handover.js';
import { type CaptureInput, readCaptures } from './read.js';
import { completeSettings, recordFields } from './settings.js';

/**
 * Where a capture (pcap or pcapng, as it is or compressed) comes from: the path of a file or named pipe, `-` for standard
 * input, several paths, whose packets are merged by time; its bytes; or a stream of them (of Node, of the Web, or any
 * other async iterable of Uint8Arrays), which is taken over and destroyed at the end.
 */
export type FlowSource = string | readonly string[] | CaptureBytes;

export interface FlowReadOptions extends ReadOptions {
  /** Ends the reading early: the flows up to then are still handed out, and the summary says `interrupted`. */
  signal?: AbortSignal;
  /**
   * Hooks on the meter, called after the features, in this order. They must not throw, and work with one thread only.
   */
  hooks?: readonly FlowHook[];
  /** Members that the columns of these hooks give to each record; they come last. */
  fields?: readonly RecordField[];
  /** Told now and then, about once a chunk of input. */
  onProgress?: (progress: Progress) => void;
  /** Seed of the Community ID, 0…65535. Default 0. */
  communityIdSeed?: number;
}

/** A capture being read. Nothing is opened before the first step of the loop over it; it can be read once. */
export interface FlowReading extends AsyncIterable<FlowRecord> {
  /**
   * The same as batches of up to 1024 records: several times as fast, as no objects are made. A batch is valid until the
   * next step of the loop. `members` read it.
   */
  batches(): AsyncIterable<RecordBatch>;
  /** What a record may have, in order: name, meaning, unit, and how to read it from a batch. */
  readonly members: readonly RecordField[];
  /** Interfaces of the captures; grows as they are met. */
  readonly interfaces: readonly Interface[];
  /** Names of addresses that the captures carry: address → name. Complete when the loop has ended. */
  readonly names: ReadonlyMap<string, string>;
  /**
   * The ledger of the run, once the loop has ended (also when it was left early). Rejects with the error of the loop. Stays
   * pending as long as nobody loops.
   */
  readonly summary: Promise<Summary>;
}

/**
 * Reads captures into bidirectional flow records (RFC 7011, 5103).
 *
 *     const flows = readFlows('capture.pcapng', { filter: 'tcp' });
 *     for await (const flow of flows) console.log(flow.src, flow.dst, flow.bytes);
 *     console.log((await flows.summary).packets);
 *
 * A record comes when its flow has ended, by timeouts in packet time, or at the end of the input. The meter waits while
 * the loop is busy, so that memory does not grow. Leaving the loop closes what was opened.
 *
 * @throws RheoError at once for options that do not fit (usage); from the loop: usage, filter, input (cannot be opened or
 *   read), format (not a capture), linkType, limit (no memory for so many flows), worker
 */
export function readFlows(source: FlowSource, options: FlowReadOptions = {}): FlowReading {
  return new Reading(source, options);
}

class Reading implements FlowReading {
  readonly members: readonly RecordField[];
  readonly interfaces: Interface[] = [];
  readonly summary: Promise<Summary>;
  names: ReadonlyMap<string, string> = new Map();
  readonly #input: CaptureInput;
  readonly #options: FlowReadOptions;
  #begun = false;
  #settle: (summary: Promise<Summary>) => void = () => undefined;

  constructor(source: FlowSource, options: FlowReadOptions) {
    this.#input = captureInput(source);
    this.#options = options;
    completeSettings(options);
    const fields = [...recordFields(options.features, this.interfaces), ...(options.fields ?? [])];
    this.members = recordMembers(options.key?.extra ?? [], fields, recordFormat(options));
    this.summary = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // Who does not ask for the summary gets the error from the loop.
    this.summary.catch(() => undefined);
  }

  [Symbol.asyncIterator](): AsyncGenerator<FlowRecord, void, void> {
    this.#begin();
    return this.#records();
  }

  batches(): AsyncGenerator<RecordBatch, void, void> {
    this.#begin();
    return this.#run();
  }

  #begin(): void {
    if (this.#begun) {
      throw new RheoError(ErrorCode.usage, 'these flows were read already', {
        remedy: 'Call readFlows again to read the capture once more.',
      });
    }
    this.#begun = true;
  }

  async *#records(): AsyncGenerator<FlowRecord, void, void> {
    const { members } = this;
    for await (const batch of this.#run()) {
      for (let index = 0; index < batch.count; index++) yield readMembers(batch, index, members) as FlowRecord;
    }
  }

  async *#run(): AsyncGenerator<RecordBatch, void, void> {
    const { sampling, signal, hooks, onProgress } = this.#options;
    const handover = new Handover();
    const left = new AbortController();
    const run = readCaptures(
      this.#input,
      this.#options,
      sampling?.scale === true ? new ScaleSink(sampling.n, handover) : handover,
      {
        signal: signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]),
        interfaces: this.interfaces,
        onNames: (names) => {
          this.names = names;
        },
        ...(hooks === undefined || hooks.length === 0 ? {} : { hooks }),
        ...(onProgress === undefined ? {} : { onProgress }),
      },
    ).finally(() => handover.end());
    this.#settle(run);
    try {
      for (let batch = await handover.next(); batch !== undefined; batch = await handover.next()) yield batch;
      await run;
    } finally {
      // Left early, or ended anyway: then this does nothing.
      handover.discard();
      left.abort();
      await run.catch(() => undefined);
    }
  }
}

function captureInput(source: FlowSource): CaptureInput {
  if (typeof source === 'string') return [source];
  if (Array.isArray(source) && !source.every((path) => typeof path === 'string')) {
    throw new RheoError(ErrorCode.usage, 'expected a list of paths', {
      remedy: 'Bytes in several pieces: give them as one Uint8Array or as a stream.',
    });
  }
  return source as CaptureInput;
}

/**
 * What the options say about the members of a record.
 * @throws RheoError (usage) for a seed out of range
 */
export function recordFormat(options: Pick<FlowReadOptions, 'communityIdSeed' | 'sampling'>): RecordFormat {
  const { communityIdSeed, sampling } = options;
  const seed = communityIdSeed ?? 0;
  if (!(Number.isInteger(seed) && seed >= 0 && seed <= 0xffff)) {
    throw new RheoError(ErrorCode.usage, `communityIdSeed must be 0 to 65535, not ${seed}`);
  }
  return {
    ...(communityIdSeed === undefined ? {} : { communityIdSeed }),
    ...(sampling === undefined ? {} : { sampling }),
  };
}
