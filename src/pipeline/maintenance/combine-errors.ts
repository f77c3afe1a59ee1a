/** Several errors of one turn as one error, for a loop that goes on to its next step after a failed one. */

/** Returns the only error, or an AggregateError whose message holds the messages of all. */
export function combineErrors(errors: readonly [Error, ...Error[]]): Error {
  if (errors.length === 1) return errors[0];
  return new AggregateError(errors, errors.map(({ message }) => message).join('; '));
}

export const isNonEmpty = <T>(items: readonly T[]): items is readonly [T, ...T[]] => items.length > 0;
