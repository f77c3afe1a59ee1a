/** The JSON of the API as these pages read it. */
import type { deliveryJson, endpointJson } from '../../../views/webhook.ts';
import type { Json } from '../../core/api.ts';

export type Endpoint = Json<ReturnType<typeof endpointJson>>;
export type WithSecret = Endpoint & { readonly secret: string };
export type Delivery = Json<ReturnType<typeof deliveryJson>>;

export interface Tested {
  readonly delivered: boolean;
  readonly status?: number;
  readonly message?: string;
}

/** What the fields of an endpoint's form hold. */
export interface TypedEndpoint {
  readonly url: string;
  readonly description: string;
  readonly types: readonly string[];
  readonly accounts: readonly string[];
}
