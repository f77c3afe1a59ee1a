/** Compares the bucket with the rows and with what WeChat sent. */

import { acceptedOf, unservedOf } from './accepted.ts';
import { digestKey, type Evidence, type StoredObject } from './evidence.ts';
import type { Findings } from './findings.ts';
import { USABLE_SHARE, usableMs } from './usable.ts';

/** The object of each item: by the row where there are rows, else by the media id in its key. */
function ownersOf(evidence: Evidence): Map<string, StoredObject[]> {
  const owners = new Map<string, StoredObject[]>();
  const give = (key: string, object: StoredObject) => owners.set(key, [...(owners.get(key) ?? []), object]);
  if (evidence.run.way === 'product') {
    const byKey = new Map(evidence.objects.map((object) => [object.key, object]));
    for (const { account, mediaId, status, objectKey } of evidence.rows) {
      const object = status === 'archived' && objectKey ? byKey.get(objectKey) : undefined;
      if (object && mediaId) give(digestKey(account, mediaId), object);
    }
    return owners;
  }
  for (const object of evidence.objects) {
    const [account = '', name = ''] = object.key.split('/');
    give(digestKey(account, name.replace(/\.[^.]*$/, '')), object);
  }
  return owners;
}

function wrongBytes(evidence: Evidence, owners: Map<string, StoredObject[]>): string[] {
  const wrong: string[] = [];
  for (const [key, objects] of owners) {
    const digest = evidence.digests[key];
    for (const object of objects) {
      if (digest?.sha256 === object.sha256 && digest.sizeBytes === object.sizeBytes) continue;
      wrong.push(`${object.key}: ${object.sizeBytes} bytes, WeChat has ${digest?.sizeBytes ?? 'none'}`);
    }
  }
  const byKey = new Map(evidence.objects.map((object) => [object.key, object]));
  for (const { id, status, objectKey, sizeBytes, sha256 } of evidence.rows) {
    const object = status === 'archived' && objectKey ? byKey.get(objectKey) : undefined;
    if (object && (object.sizeBytes !== sizeBytes || object.sha256 !== sha256))
      wrong.push(
        `${id}: the row has ${sizeBytes} bytes, ${sha256}; the object is ${object.sizeBytes}, ${object.sha256}`,
      );
  }
  return wrong;
}

function strays(evidence: Evidence, owners: Map<string, StoredObject[]>): string[] {
  const doubled = [...owners]
    .filter(([, objects]) => objects.length > 1)
    .map(([key, objects]) => `${key}: ${objects.map((object) => object.key).join(', ')}`);
  const owned = new Set([...owners.values()].flat().map(({ key }) => key));
  const orphaned = evidence.objects
    .filter(({ key }) => !owned.has(key))
    .map(({ key, sizeBytes }) => `${key}: ${sizeBytes} bytes that no archived row names`);
  return [...doubled, ...orphaned];
}

/** Accepted, and neither archived nor closed for a reason that is WeChat's. */
function lost(evidence: Evidence, owners: Map<string, StoredObject[]>): string[] {
  const unserved = unservedOf(evidence);
  if (evidence.run.way === 'naive') {
    const { lifeMs } = evidence.run;
    return [...acceptedOf(evidence)]
      .filter(([key]) => !owners.has(key) && !unserved.has(key))
      .filter(([, media]) => usableMs(media, lifeMs, evidence.windows) >= lifeMs * USABLE_SHARE)
      .map(([key]) => `${key}: response success, no object`);
  }
  return evidence.rows.flatMap((row) => {
    const key = digestKey(row.account, row.mediaId ?? '');
    if (row.status === 'archived' && !owners.has(key))
      return [`${row.id}: archived as ${row.objectKey}, which is not in the bucket`];
    if (row.status === 'erased') return [`${row.id}: erased without a request`];
    if (row.status === 'dead' && !unserved.has(key))
      return [`${row.id}: dead (${row.failure?.code} ${row.failure?.errcode ?? ''}), and WeChat has it`];
    return [];
  });
}

export function checkObjects(evidence: Evidence): Findings {
  const owners = ownersOf(evidence);
  return {
    'accepted and lost': lost(evidence, owners),
    'archived with wrong bytes': wrongBytes(evidence, owners),
    'objects doubled or orphaned': strays(evidence, owners),
    'open multiparts': evidence.uploads.map(
      ({ key, uploadId }) => `${key}: upload ${uploadId.slice(0, 12)}…`,
    ),
  };
}
