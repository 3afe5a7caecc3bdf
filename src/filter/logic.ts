import type { Test } from './frame.js';

export function and(first: Test, second: Test): Test {
  return (frame) => first(frame) && second(frame);
}

export function or(first: Test, second: Test): Test {
  return (frame) => first(frame) || second(frame);
}
