import { isatty } from 'node:tty';

/** What the process can show, and where. */
export interface Terminal {
  readonly outputIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
  /** Columns of the terminal at standard output; undefined if it is none. */
  readonly width: number | undefined;
  readonly color: boolean;
}

/** Width where a terminal does not tell it. */
const USUAL_WIDTH = 80;

/** @param noColor --no-color was given */
export function terminal(environment: NodeJS.ProcessEnv, noColor: boolean): Terminal {
  const outputIsTerminal = isatty(1);
  const plain = noColor || (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  return {
    outputIsTerminal,
    errorIsTerminal: isatty(2),
    width: outputIsTerminal ? process.stdout.columns || USUAL_WIDTH : undefined,
    color: outputIsTerminal && !plain,
  };
}
