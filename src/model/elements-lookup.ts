import { type ElementLookup, REVERSE_PEN, VENDOR_REVERSE_BIT } from '../codec/ipfix/data-type.js';
import { ELEMENTS } from './elements.js';
import { OWN_ELEMENTS } from './elements-own.js';

/** As RFC 5103 §6.1 names reverse elements. */
export function reverseName(name: string): string {
  return `reverse${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

const OWN_BY_ID = new Map([...OWN_ELEMENTS.values()].map((element) => [element.id, element]));

/** Names and types of IANA's elements, their reverse twins, and our own under the given enterprise number. */
export function elementLookup(enterprise: number): ElementLookup {
  return (pen, id) => {
    if (pen === 0) return ELEMENTS.get(id);
    if (pen === REVERSE_PEN) {
      const element = ELEMENTS.get(id);
      return element && { name: reverseName(element.name), type: element.type };
    }
    if (pen !== enterprise) return undefined;
    const element = OWN_BY_ID.get(id & ~VENDOR_REVERSE_BIT);
    if (element === undefined || (id & VENDOR_REVERSE_BIT) === 0) return element;
    return { name: reverseName(element.name), type: element.type };
  };
}
