import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from './shared.js';

const FOLDER = path.join(projectRoot, 'docs/collectors');

/** Names of the pages about collectors, without their ending. */
export function collectorPages(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .map((name) => name.slice(0, -3))
    .sort();
}

/** A page about a collector: its lines are run as they stand, but for what `replace` puts in their place. */
export class Page {
  readonly text: string;
  private readonly name: string;

  constructor(name: string) {
    this.name = name;
    this.text = readFileSync(path.join(FOLDER, `${name}.md`), 'utf8');
  }

  /** Lines of shell, in words. */
  get commands(): string[][] {
    return this.blocks('sh').flatMap((block) => block.trim().split('\n').map(words));
  }

  /** The words after the program's name, of the first line of that program in which all of `holding` stand. */
  command(program: string, replace: Readonly<Record<string, string>> = {}, ...holding: string[]): string[] {
    const found = this.commands.find(
      ([first, ...rest]) => first === program && holding.every((part) => rest.join(' ').includes(part)),
    );
    if (found === undefined) throw new Error(`${this.name}.md has no line of ${program} with ${holding.join(', ')}`);
    return found.slice(1).map((word) => replaced(word, replace));
  }

  /** The file whose first line is that one. */
  file(language: string, firstLine: string, replace: Readonly<Record<string, string>> = {}): string {
    const found = this.blocks(language).find((block) => block.split('\n')[0] === firstLine);
    if (found === undefined) throw new Error(`${this.name}.md has no ${language} that begins with '${firstLine}'`);
    return replaced(found, replace);
  }

  /** Targets of all lines of rheo, in the text too. */
  get targets(): string[] {
    const inLines = this.commands
      .filter(([program]) => program === 'rheo')
      .flatMap((line) => line.filter((_, k) => line[k - 1] === '--export'));
    const inText = [...this.text.matchAll(/`--export '?([^`']+)'?`/g)].map(([, url]) => url);
    return [...inLines, ...inText];
  }

  private blocks(language: string): string[] {
    return [...this.text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
      .filter(([, kind]) => kind === language)
      .map(([, , block]) => block);
  }
}

function words(line: string): string[] {
  const text = execFileSync('sh', ['-c', `set -f; printf '%s\\0' ${line}`], { encoding: 'utf8' });
  return text.split('\0').slice(0, -1);
}

function replaced(text: string, replace: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [from, to] of Object.entries(replace)) result = result.replaceAll(from, to);
  return result;
}
