/** Error codes of NOTIFICATION (RFC 4271 §4.5). */
export const BgpDamage = { header: 1, open: 2, update: 3, holdTimer: 4, state: 5, cease: 6 } as const;
export type BgpDamage = (typeof BgpDamage)[keyof typeof BgpDamage];

/** Something in a BGP message for which the session must be ended with a NOTIFICATION. */
export class BgpError extends Error {
  readonly code: BgpDamage;
  readonly subcode: number;

  constructor(code: BgpDamage, subcode: number, what: string) {
    super(what);
    this.code = code;
    this.subcode = subcode;
  }
}
