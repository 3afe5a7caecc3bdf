import type { Output } from '../../export/output.js';
import type { Client } from '../../rpc/client.js';
import type { TableOptions } from '../flow-table.js';
import type { ParsedArguments } from '../parse.js';

export type ViewStyle = TableOptions;

/** A verb with what was given to it, checked before the daemon is asked. */
export interface Action {
  /** Asks once; the answer is what --json writes. */
  readonly ask?: (client: Client) => Promise<unknown>;
  /** The answer for people. */
  readonly show?: (answer: never, style: ViewStyle) => string | Promise<string>;
  /** Writes as long as there is something to write and somebody who reads. In place of `ask`. */
  readonly stream?: (client: Client, output: Output, json: boolean, style: ViewStyle) => Promise<void>;
  /** The system may end it at Ctrl-C in the middle of anything, also while it waits for a pipe that nobody reads. */
  readonly interruptible?: boolean;
  /** False if it makes no sense to ask again and again. */
  readonly watchable: boolean;
}

/** What stands behind the verb. */
export interface Request {
  readonly operands: readonly string[];
  readonly values: ParsedArguments['values'];
}

/** An action whose view knows its answer. */
export function view<T>(
  ask: (client: Client) => Promise<T>,
  show: (answer: T, style: ViewStyle) => string | Promise<string>,
  watchable = true,
): Action {
  return { ask, show, watchable };
}
