import type { Loss } from '../rpc/service.js';
import { endpointName, protocolText } from './flow-columns.js';
import type { NameBook } from './names.js';
import { numberOf, type RatedFlow } from './rates.js';
import type { Totals } from './totals.js';

export const SORT_ORDERS = ['rate', 'bytes', 'packets', 'duration', 'source', 'destination'] as const;
export type SortOrder = (typeof SORT_ORDERS)[number];

/** All that was learned by one look at the daemon. */
export interface Look {
  /** Wall clock. */
  readonly time: Date;
  readonly loss: Loss;
  readonly totals: Totals;
  readonly flows: readonly RatedFlow[];
  /** Flows in the table that match the filter; more than `flows` where the table is large. */
  readonly matched: number;
}

export interface Prompt {
  readonly kind: 'filter' | 'search';
  readonly text: string;
  readonly error: string | undefined;
}

/** What a key asks of those who drive the view. */
export type KeyAction = 'quit' | 'redraw' | 'applyFilter' | undefined;

const MOST_TYPED = 500;

/** State of the view, and what keys do to it. */
export class ViewModel {
  look: Look | undefined;
  /** Why the daemon could not be asked the last time. */
  failure: string | undefined;
  page: 'flows' | 'interfaces' | 'help' = 'flows';
  sort: SortOrder = 'rate';
  filter = '';
  search = '';
  paused = false;
  prompt: Prompt | undefined;
  /** First row shown. */
  offset = 0;
  /** Rows of the table that fit, as of the last drawing. */
  pageRows = 1;
  readonly #names: NameBook;
  #searchBefore = '';

  constructor(names: NameBook) {
    this.#names = names;
  }

  /** Flows to show, in order. */
  rows(): RatedFlow[] {
    const { look, search } = this;
    if (look === undefined) return [];
    const wanted = search.toLowerCase();
    const rows = wanted === '' ? [...look.flows] : look.flows.filter((row) => this.#text(row).includes(wanted));
    return rows.sort(this.#order());
  }

  press(key: string): KeyAction {
    if (key === 'interrupt') return 'quit';
    if (key === 'redraw') return 'redraw';
    if (this.prompt !== undefined) return this.#edit(this.prompt, key);
    if (this.page === 'help') {
      if (key === 'q' || key === 'Q') return 'quit';
      this.page = 'flows';
      return undefined;
    }
    switch (key) {
      case 'q':
      case 'Q':
        return 'quit';
      case 'up':
      case 'k':
        this.#scroll(-1);
        break;
      case 'down':
      case 'j':
        this.#scroll(1);
        break;
      case 'pageUp':
        this.#scroll(-this.pageRows);
        break;
      case 'pageDown':
      case ' ':
        this.#scroll(this.pageRows);
        break;
      case 'home':
      case 'g':
        this.offset = 0;
        break;
      case 'end':
      case 'G':
        this.#scroll(Number.MAX_SAFE_INTEGER);
        break;
      case 's':
        this.sort = SORT_ORDERS[(SORT_ORDERS.indexOf(this.sort) + 1) % SORT_ORDERS.length];
        this.offset = 0;
        break;
      case 'f':
        this.prompt = { kind: 'filter', text: this.filter, error: undefined };
        break;
      case '/':
        this.#searchBefore = this.search;
        this.prompt = { kind: 'search', text: this.search, error: undefined };
        break;
      case 'escape':
        return this.#clear();
      case 'p':
        this.paused = !this.paused;
        break;
      case 'i':
        this.page = this.page === 'interfaces' ? 'flows' : 'interfaces';
        break;
      case '?':
      case 'h':
        this.page = 'help';
        break;
    }
    return undefined;
  }

  /** The filter was not understood: what was typed stays, to be corrected. */
  refuseFilter(text: string, error: string): void {
    this.prompt = { kind: 'filter', text, error };
  }

  #scroll(by: number): void {
    const last = Math.max(0, this.rows().length - this.pageRows);
    this.offset = Math.max(0, Math.min(last, this.offset + by));
  }

  #clear(): KeyAction {
    this.page = 'flows';
    this.search = '';
    this.offset = 0;
    if (this.filter === '') return undefined;
    this.filter = '';
    return 'applyFilter';
  }

  #edit(prompt: Prompt, key: string): KeyAction {
    let { text } = prompt;
    switch (key) {
      case 'escape':
        this.prompt = undefined;
        if (prompt.kind === 'search') this.search = this.#searchBefore;
        return undefined;
      case 'enter':
        this.prompt = undefined;
        this.offset = 0;
        if (prompt.kind === 'search') return undefined;
        this.filter = text.trim();
        return 'applyFilter';
      case 'backspace':
        text = [...text].slice(0, -1).join('');
        break;
      case 'clear':
        text = '';
        break;
      default:
        if ([...key].length === 1 && text.length < MOST_TYPED) text += key;
    }
    this.prompt = { kind: prompt.kind, text, error: undefined };
    if (prompt.kind === 'search') {
      this.search = text;
      this.offset = 0;
    }
    return undefined;
  }

  /** What the search looks at: all that the row shows as words, and the addresses behind the names. */
  #text(row: RatedFlow): string {
    const { flow } = row;
    const ends = `${endpointName(flow, false, this.#names)} ${endpointName(flow, true, this.#names)}`;
    const addresses = `${flow.src}:${flow.srcPort ?? ''} ${flow.dst}:${flow.dstPort ?? ''}`;
    return `${protocolText(flow)} ${ends} ${addresses}`.toLowerCase();
  }

  #order(): (a: RatedFlow, b: RatedFlow) => number {
    const tie = (a: RatedFlow, b: RatedFlow): number => b.bytes - a.bytes || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
    const down = (value: (row: RatedFlow) => number) => (a: RatedFlow, b: RatedFlow) =>
      value(b) - value(a) || tie(a, b);
    const up = (value: (row: RatedFlow) => string) => (a: RatedFlow, b: RatedFlow) => {
      const x = value(a);
      const y = value(b);
      return x < y ? -1 : x > y ? 1 : tie(a, b);
    };
    switch (this.sort) {
      case 'rate':
        return down((row) => row.sentRate + row.receivedRate);
      case 'bytes':
        return down((row) => row.bytes);
      case 'packets':
        return down((row) => row.packets);
      case 'duration':
        return down((row) => numberOf(row.flow.duration));
      case 'source':
        return up((row) => endpointName(row.flow, false, this.#names));
      case 'destination':
        return up((row) => endpointName(row.flow, true, this.#names));
    }
  }
}
