/** The schema of the store's hold, as /v1/store and /v1/stats return it. */
import { failureSchema } from '../failure-schema.ts';
import { responseTime } from '../field-schemas.ts';

export const storeHoldSchema = failureSchema.extend({
  since: responseTime,
  until: responseTime.describe('when the store is probed again'),
});
