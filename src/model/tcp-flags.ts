const LETTERS = [
  [0x01, 'F'],
  [0x02, 'S'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x10, 'A'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'C'],
  [0x100, 'N'],
] as const;

/** Text of each set of TCP flags (9 bits), letters in the order FSRPAUECN. 512 entries. */
export const TCP_FLAGS_TEXT: readonly string[] = Array.from({ length: 512 }, (_, flags) => {
  let text = '';
  for (const [bit, letter] of LETTERS) if ((flags & bit) !== 0) text += letter;
  return text;
});
