import { Output } from '../../src/export/output.js';

/** An output into memory. */
export function collector(): { output: Output; text: () => string } {
  const chunks: Buffer[] = [];
  const output = new Output(-1, 'memory', (_fd, bytes, offset, length) => {
    chunks.push(Buffer.from(bytes.subarray(offset, offset + length)));
    return length;
  });
  return { output, text: () => Buffer.concat(chunks).toString() };
}
