/** A webhook endpoint as the catalogue knows it. Its secret is encrypted before it gets here. */

/** The endpoint of WEBHOOK_URL. */
export const CONFIGURED_ENDPOINT = 'configured';

/** Why an endpoint gets no deliveries. `not_configured`: WEBHOOK_URL was removed. */
export const DISABLED_REASONS = ['by_hand', 'gone', 'failing', 'not_configured'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** A signing secret, encrypted with each of a few secrets of the configuration: their names and the ciphertexts. */
export type EncryptedCopies = Readonly<Record<string, string>>;

export interface WebhookFailure {
  readonly at: Date;
  readonly reason: string;
  /** Of the response, if there was one. */
  readonly status?: number;
}

export interface WebhookEndpoint {
  readonly id: string;
  readonly url: string;
  readonly description?: string;
  /** Absent: all types. */
  readonly types?: readonly string[];
  /** Absent: all accounts, and the store. */
  readonly accounts?: readonly string[];
  readonly secret: EncryptedCopies;
  readonly previousSecret?: EncryptedCopies;
  readonly previousSecretUntil?: Date;
  /** The position in the feed up to which deliveries were made. */
  readonly position: number;
  /** Events that were removed before deliveries were made of them. */
  readonly missed: number;
  readonly disabled?: { readonly at: Date; readonly reason: DisabledReason };
  /** The first failure since the last success. */
  readonly failingSince?: Date;
  readonly lastSuccessAt?: Date;
  readonly lastFailure?: WebhookFailure;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly updatedAt: Date;
}

export interface EndpointRecord {
  id: string;
  url: string;
  description: string | null;
  types: string[] | null;
  accounts: string[] | null;
  secret: EncryptedCopies;
  previous_secret: EncryptedCopies | null;
  previous_secret_until: Date | null;
  position: string;
  missed: string;
  disabled_at: Date | null;
  disabled_reason: DisabledReason | null;
  failing_since: Date | null;
  last_success_at: Date | null;
  last_failure: { at: string; reason: string; status?: number } | null;
  created_at: Date;
  created_by: string;
  updated_at: Date;
}

export function toEndpoint(row: EndpointRecord): WebhookEndpoint {
  const failure = row.last_failure;
  return {
    id: row.id,
    url: row.url,
    ...(row.description === null ? {} : { description: row.description }),
    ...(row.types === null ? {} : { types: row.types }),
    ...(row.accounts === null ? {} : { accounts: row.accounts }),
    secret: row.secret,
    ...(row.previous_secret === null ? {} : { previousSecret: row.previous_secret }),
    ...(row.previous_secret_until === null ? {} : { previousSecretUntil: row.previous_secret_until }),
    position: Number(row.position),
    missed: Number(row.missed),
    ...(row.disabled_at === null || row.disabled_reason === null
      ? {}
      : { disabled: { at: row.disabled_at, reason: row.disabled_reason } }),
    ...(row.failing_since === null ? {} : { failingSince: row.failing_since }),
    ...(row.last_success_at === null ? {} : { lastSuccessAt: row.last_success_at }),
    ...(failure === null ? {} : { lastFailure: { ...failure, at: new Date(failure.at) } }),
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
  };
}
