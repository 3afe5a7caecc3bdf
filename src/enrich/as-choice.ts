/** Which AS of a route counts as that of an address: its origin, our neighbour on the way, or the one before the origin. */
export const AS_CHOICES = ['origin', 'neighbour', 'previous'] as const;
export type AsChoice = (typeof AS_CHOICES)[number];
