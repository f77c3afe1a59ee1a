/** The JSON of the API as these pages read it. */
import type { Erasure as ErasureRow } from '../../../../catalogue/erasure/erasures.ts';
import type { Selection as SelectionRows } from '../../../../catalogue/media/selection.ts';
import type { Redrive as RedriveRow } from '../../../../catalogue/redrive/redrive-row.ts';
import type { groupJson } from '../../../views/dead-letter.ts';
import type { Json } from '../../core/api.ts';

export type DeadLetterGroup = Json<ReturnType<typeof groupJson>>;
export type Redrive = Json<RedriveRow>;
export type Selection = Json<SelectionRows>;
export type Erasure = Json<ErasureRow>;
