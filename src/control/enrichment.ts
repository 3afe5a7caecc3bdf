import type { AsChoice } from '../enrich/as-choice.js';
import { type BgpOptions, BgpSpeaker } from '../enrich/bgp-speaker.js';
import { Enricher } from '../enrich/enricher.js';
import { loadMrt } from '../enrich/mrt-file.js';
import { Places } from '../enrich/places.js';
import { RouteTable } from '../enrich/route-table.js';
import type { EnrichmentStatus } from '../rpc/service.js';
import type { Config } from './config/schema.js';

/** Memory for the prefixes of one neighbour or dump unless told otherwise: a full table of both families fits. */
export const DEFAULT_ROUTE_MEMORY = 400e6;

export interface EnrichmentOptions {
  bgp?: Omit<BgpOptions, 'bytes' | 'log'> | undefined;
  /** MRT dumps, read in this order into one table, which counts behind those of the neighbours. */
  mrt?: readonly string[] | undefined;
  mmdb?: readonly string[] | undefined;
  as?: AsChoice | undefined;
  /** Bytes for the prefixes of one neighbour or of all dumps. */
  memory?: number | undefined;
}

type Log = BgpOptions['log'];

/** Where nothing enriches. */
export const NO_ENRICHMENT: EnrichmentStatus = { neighbours: [], dumps: [], records: 0, routed: 0, placed: 0 };

/** What the section `enrich` of a configuration asks for; undefined if it asks for nothing. */
export function enrichmentOf({ bgp, mrt, mmdb, as, memory }: Config['enrich']): EnrichmentOptions | undefined {
  if (bgp === undefined && mrt.length + mmdb.length === 0) return undefined;
  const speaker = bgp === undefined ? undefined : { ...bgp, holdTime: Math.round(bgp.holdTime / 1000) };
  return { bgp: speaker, mrt, mmdb, as, memory };
}

interface Dump {
  readonly file: string;
  /** Prefixes, routes in the table, and those refused, when it was read. */
  prefixes4: number;
  prefixes6: number;
  routes: number;
  refused: number;
  damaged: number;
}

/** What enriches the records of a run: BGP neighbours, MRT dumps, MMDB files and the enricher that asks them. */
export class Enrichment {
  readonly enricher: Enricher;
  private readonly log: Log;
  private readonly speaker: BgpSpeaker | undefined;
  private readonly dumps: Dump[] = [];
  private readonly mrt: readonly string[];
  /** Routes of all dumps. */
  private readonly table: RouteTable | undefined;
  private readonly places: Places | undefined;
  private readonly files: readonly string[];
  private readonly bytes: number;

  /** @throws RheoError usage: a neighbour or an identifier that is no address */
  constructor(options: EnrichmentOptions, log: Log) {
    this.log = log;
    this.bytes = options.memory ?? DEFAULT_ROUTE_MEMORY;
    this.speaker = options.bgp === undefined ? undefined : new BgpSpeaker({ ...options.bgp, bytes: this.bytes, log });
    this.mrt = options.mrt ?? [];
    this.table = this.mrt.length === 0 ? undefined : new RouteTable(this.bytes);
    this.files = options.mmdb ?? [];
    this.places = this.files.length === 0 ? undefined : new Places();
    const tables = [...(this.speaker?.tables ?? []), ...(this.table === undefined ? [] : [this.table])];
    this.enricher = new Enricher(tables, this.places, options.as);
  }

  /**
   * Reads the files and listens for neighbours.
   * @throws RheoError input, format: a file that cannot be read, a port that cannot be listened on; nothing is left open
   */
  async start(): Promise<void> {
    for (const file of this.files) await this.places?.open(file);
    if (this.table !== undefined) for (const file of this.mrt) await this.load(file, this.table);
    await this.speaker?.start();
  }

  private async load(file: string, table: RouteTable): Promise<void> {
    const before = table.refused;
    const { damaged, records } = await loadMrt(file, table);
    const { routes } = table;
    const refused = table.refused - before;
    this.dumps.push({ file, prefixes4: table.v4.size, prefixes6: table.v6.size, routes, refused, damaged });
    this.log('info', `${file}: ${table.v4.size} IPv4 and ${table.v6.size} IPv6 prefixes after ${records} records`);
    if (damaged > 0) this.log('warn', `${file}: ${damaged} damaged records were left out`);
    if (refused === 0) return;
    this.log('warn', `${file}: ${refused} prefixes found no room; the memory for routes is ${this.bytes} bytes`);
  }

  /** Asks the neighbours for all routes again, and reads the MMDB files again; those that cannot be read stay as they are. */
  async refresh(): Promise<void> {
    this.speaker?.refresh();
    try {
      await this.places?.reopen();
    } catch (error) {
      this.log('warn', `${(error as Error).message}; the MMDB files stay as they were`);
    }
  }

  /** The port that neighbours connect to; 0 without any. */
  get bgpPort(): number {
    return this.speaker?.port ?? 0;
  }

  get status(): EnrichmentStatus {
    const { places } = this;
    return {
      neighbours: this.speaker?.status ?? [],
      dumps: this.dumps.map((dump) => ({ ...dump })),
      ...(places !== undefined && { places: { files: [...this.files], places: places.size, ...places.counters } }),
      ...this.enricher.counters,
    };
  }

  /** Ends the sessions in good order. */
  async close(): Promise<void> {
    await this.speaker?.stop();
  }
}
