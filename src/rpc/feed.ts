import type { RpcCounters } from './counters.js';
import { jsonOf } from './messages.js';
import type { SubscriptionName } from './method-types.js';
import type { Service, ServiceEvent } from './service.js';

/** JSON of events: written once for all who are told of it. */
const texts = new WeakMap<ServiceEvent, string>();

function textOf(event: ServiceEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = jsonOf(event);
    texts.set(event, text);
  }
  return text;
}

/** Where events go: a connection that can say whether its reader keeps up. */
export interface FeedReader {
  /** False while too much waits for the reader: the event is dropped then. */
  hasRoom(): boolean;
  /**
   * @param event JSON of the event
   * @param dropped events dropped since the last one
   */
  send(event: string, dropped: number): void;
}

/** One subscription: hands events of the daemon to a reader, and drops and counts those for which it is too slow. */
export class Feed {
  readonly #counters: RpcCounters;
  readonly #reader: FeedReader;
  readonly #unsubscribe: () => void;
  #dropped = 0;
  #ended = false;

  constructor(service: Service, what: SubscriptionName, reader: FeedReader, counters: RpcCounters) {
    this.#reader = reader;
    this.#counters = counters;
    this.#unsubscribe = service.subscribe(what, (event) => this.#take(event));
    counters.subscriptions++;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#counters.subscriptions--;
    this.#unsubscribe();
  }

  #take(event: ServiceEvent): void {
    if (this.#ended) return;
    if (!this.#reader.hasRoom()) {
      this.#dropped++;
      this.#counters.eventsDropped++;
      if (event.type === 'records') this.#counters.recordsDropped += event.flows.length;
      return;
    }
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#reader.send(textOf(event), dropped);
  }
}
