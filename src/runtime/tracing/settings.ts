/** What the configuration says about traces. */
export interface TraceSettings {
  /** The address that spans are posted to, with its path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long one export may take, with its retries. */
  readonly timeoutMs: number;
  /** Certificates in PEM form that TLS trusts besides those of Node. */
  readonly authority: string | undefined;
  readonly serviceName: string;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly sampler: {
    readonly root: 'on' | 'off' | 'ratio';
    /** Whether the decision of the parent holds where there is one. */
    readonly isParentBased: boolean;
    /** The share of traces for `ratio`, from 0 to 1. */
    readonly ratio: number;
  };
}
