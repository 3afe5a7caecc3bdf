/** Keys that have a name; all others are the character that they type. */
const SEQUENCES: Readonly<Record<string, string>> = {
  '[A': 'up',
  '[B': 'down',
  '[C': 'right',
  '[D': 'left',
  OA: 'up',
  OB: 'down',
  OC: 'right',
  OD: 'left',
  '[H': 'home',
  '[F': 'end',
  OH: 'home',
  OF: 'end',
  '[1~': 'home',
  '[4~': 'end',
  '[7~': 'home',
  '[8~': 'end',
  '[5~': 'pageUp',
  '[6~': 'pageDown',
};

const CONTROLS: Readonly<Record<string, string>> = {
  '\u0003': 'interrupt',
  '\u0004': 'interrupt',
  '\u0008': 'backspace',
  '\u007f': 'backspace',
  '\r': 'enter',
  '\n': 'enter',
  '\u000c': 'redraw',
  '\u0015': 'clear',
};

const ESCAPE = '\u001b';
const CONTROL = /^\p{Cc}$/u;
/** What may stand behind an escape character (ECMA-48, 5.4): a sequence of a key, or the beginning of one. */
const SEQUENCE = /^(?:\[[0-?]*[ -/]*[@-~]|O[A-Za-z])/;
const BEGUN = /^(?:\[[0-?]*[ -/]*|O)?$/;

/** A sequence of a key that has no name here is longer than this in no terminal. */
const LONGEST = 16;

/** What a terminal sends → names of keys. A sequence may come in pieces; `flush` ends one that nothing follows. */
export class KeyReader {
  #rest = '';

  /** True while an escape character waits for what follows. */
  get waiting(): boolean {
    return this.#rest !== '';
  }

  read(text: string): string[] {
    const keys: string[] = [];
    let rest = this.#rest + text;
    this.#rest = '';
    while (rest !== '') {
      if (rest.startsWith(ESCAPE)) {
        const behind = rest.slice(1);
        const sequence = SEQUENCE.exec(behind)?.[0];
        if (sequence !== undefined) {
          if (sequence in SEQUENCES) keys.push(SEQUENCES[sequence]);
          rest = behind.slice(sequence.length);
          continue;
        }
        if (behind.length < LONGEST && BEGUN.test(behind)) {
          this.#rest = rest;
          return keys;
        }
        keys.push('escape');
        rest = behind;
        continue;
      }
      const character = String.fromCodePoint(rest.codePointAt(0) as number);
      rest = rest.slice(character.length);
      const name = CONTROLS[character];
      if (name !== undefined) keys.push(name);
      else if (!CONTROL.test(character)) keys.push(character);
    }
    return keys;
  }

  /** What waited was the escape key itself. */
  flush(): string[] {
    if (!this.waiting) return [];
    const [, ...typed] = this.#rest;
    this.#rest = '';
    return ['escape', ...typed];
  }
}
