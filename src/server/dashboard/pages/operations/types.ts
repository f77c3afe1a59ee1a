/** The JSON of the API as these pages read it. */
import type { PageFinding } from '../../components/state-line.ts';
import type { Json } from '../../core/api.ts';
import type { Failure } from '../../core/media-json.ts';

export interface Hold extends Failure {
  readonly reason: string;
  readonly since?: string;
  readonly until?: string;
  readonly by?: string;
}

interface CallbackCounts {
  readonly received: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
}

interface ConsoleField {
  readonly isSet: boolean;
  readonly setting: string;
}

export interface Account {
  readonly account: string;
  readonly name?: string;
  readonly product: 'official' | 'miniprogram' | 'wecom';
  readonly callbackUrl: string;
  readonly lastCallbackAt?: string;
  readonly callbacks: {
    readonly today: CallbackCounts;
    readonly last7Days: CallbackCounts;
    /** Oldest first. */
    readonly byDay?: readonly { readonly day: string; readonly received: number; readonly refused: number }[];
  };
  /** What is typed into WeChat's console; of secrets the name of their setting. */
  readonly console?: {
    readonly token: ConsoleField;
    readonly encodingAesKey: ConsoleField;
    /** The last one is the best. */
    readonly modes: readonly ('plain' | 'compatible' | 'safe')[];
  };
  readonly clockSkew?: { readonly message: string; readonly advice: string };
  readonly token?: { readonly expiresAt: string };
  readonly quota?: {
    readonly dailyLimit: number;
    readonly used: number;
    readonly remain: number;
    readonly readAt: string;
  };
  readonly customerService?: readonly {
    readonly openKfId: string;
    readonly lastReadAt?: string;
    readonly failure?: Failure & { readonly since?: string };
  }[];
  readonly hold: Hold | null;
}

export interface AccountCheck {
  readonly ok: boolean;
  readonly message: string;
  readonly advice: string;
}

export type Finding = Json<PageFinding>;

export interface Stats {
  readonly checks: readonly Finding[];
  readonly storeHold: (Failure & { readonly since: string; readonly until: string }) | null;
}

export interface Alert {
  readonly id: number;
  readonly code: string;
  readonly severity: Finding['severity'];
  readonly target: string;
  readonly since: string;
  readonly endedAt?: string;
  readonly lastSentAt?: string;
  readonly count: number;
  readonly message: string;
  readonly advice: string;
}

export interface AuditEntry {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly reason?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export interface Store {
  readonly items: readonly {
    readonly name: string;
    readonly bucket: string;
    readonly embedded: boolean;
    readonly failure: Failure | null;
  }[];
  readonly hold: Stats['storeHold'];
}

export interface DoctorReport {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly message: string;
    readonly advice?: string;
    readonly severity?: Finding['severity'];
  }[];
}

export interface Setting {
  readonly variable: string;
  readonly section: string;
  readonly value?: string;
  readonly isSet: boolean;
  readonly isSecret: boolean;
  readonly description: string;
}

export interface Verification {
  readonly id: string;
  readonly kind: 'verify' | 'adopt' | 'orphans';
  readonly state: 'waiting' | 'running' | 'done' | 'stopped';
  readonly by: string;
  readonly reason?: string;
  readonly done: number;
  readonly total?: number;
  readonly bytes: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly drift: number;
  readonly problem?: string;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly updatedAt: string;
  readonly endedAt?: string;
}

export interface VerificationFinding {
  readonly seq: number;
  readonly at: string;
  readonly what: string;
  readonly id?: string;
  readonly objectKey?: string;
  readonly detail?: string;
}
