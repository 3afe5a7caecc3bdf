/**
 * Which AS of a route counts as that of an address: its origin; our neighbour on the way, which routers call the peer; or
 * the one previous to the origin.
 */
export const AS_CHOICES = ['origin', 'neighbour', 'peer', 'previous'] as const;
export type AsChoice = (typeof AS_CHOICES)[number];
