import { shrink } from './shrink.js';
import { Random, type Target } from './target.js';

/** An input that broke a promise. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly iteration: number;
  readonly error: Error;
  /** As small as `shrink` made it. */
  readonly input: Uint8Array;
}

/** The input of that number. */
export function inputOf(target: Target, seed: number, iteration: number): Uint8Array {
  return target.make(new Random(seed, target.name, iteration));
}

/** What the target says of these bytes: an error, or undefined if all is well. */
export async function tryInput(target: Target, bytes: Uint8Array): Promise<Error | undefined> {
  try {
    await target.run(bytes);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Two errors of one cause: same kind, same place where they were thrown, numbers in the message aside. */
function cause(error: Error): string {
  const place = error.stack?.split('\n').find((line) => line.startsWith('    at ')) ?? '';
  return `${error.name} ${error.message.split('\n')[0].replace(/\d+/g, '#')} ${place}`;
}

/**
 * Tries inputs [from, to) and returns the first that breaks a promise, made small; undefined if none does.
 * @param onTry told before each try of the input with that number, also while it is made smaller
 */
export async function fuzz(
  target: Target,
  seed: number,
  from: number,
  to: number,
  onTry?: (iteration: number) => void,
): Promise<Finding | undefined> {
  for (let iteration = from; iteration < to; iteration++) {
    onTry?.(iteration);
    const bytes = inputOf(target, seed, iteration);
    const error = await tryInput(target, bytes);
    if (error === undefined) continue;
    const wanted = cause(error);
    const same = async (candidate: Uint8Array): Promise<boolean> => {
      onTry?.(iteration);
      const other = await tryInput(target, candidate);
      return other !== undefined && cause(other) === wanted;
    };
    const input = await shrink(bytes, same, { parts: target.parts });
    return { target: target.name, seed, iteration, error: (await tryInput(target, input)) ?? error, input };
  }
  return undefined;
}

/** Finding as text: what is wrong, and the commands that show it again. */
export function describe(finding: Finding, file: string): string {
  const { target, seed, iteration, error, input } = finding;
  return [
    `${target}: ${error.stack ?? error.message}`,
    `  seed ${seed}, input ${iteration}; made smaller: ${input.length} bytes in ${file}`,
    `  again: npm run fuzz -- --target ${target} --replay ${file}`,
    `  as it was found: npm run fuzz -- --target ${target} --seed ${seed} --from ${iteration} --count 1`,
    `  when it is mended: keep the file as test/fuzz/corpus/${target}/WHAT-IT-IS`,
  ].join('\n');
}
