/** The JSON of the API as these pages read it. */
import type { AuditEntry as AuditRow } from '../../../../catalogue/audit-log/audit-log.ts';
import type {
  Finding as FindingRow,
  Verification as VerificationRow,
} from '../../../../catalogue/verification/verifications.ts';
import type { storeHoldJson } from '../../../../pipeline/views/store-hold.ts';
import type { accountJson } from '../../../views/account.ts';
import type { alertJson } from '../../../views/alert.ts';
import type { PageFinding } from '../../components/state-line.ts';
import type { Json } from '../../core/api.ts';
import type { Failure } from '../../core/media-json.ts';

export type Account = Json<ReturnType<typeof accountJson>>;
export type Hold = NonNullable<Account['hold']>;

export interface AccountCheck {
  readonly ok: boolean;
  readonly message: string;
  readonly advice: string;
}

export type Finding = Json<PageFinding>;

export interface Stats {
  readonly checks: readonly Finding[];
  readonly storeHold: Json<ReturnType<typeof storeHoldJson>> | null;
}

export type Alert = Json<ReturnType<typeof alertJson>>;
export type AuditEntry = Json<AuditRow> & { readonly seq: number };

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

export type { Setting } from '../../../../config/settings.ts';

export type Verification = Json<VerificationRow> & { readonly drift: number };
export type VerificationFinding = Json<FindingRow> & { readonly seq: number; readonly at: string };
