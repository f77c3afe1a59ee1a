/** Fields that several routes take. */
import { z } from 'zod';
import { text } from '../media.ts';

/** What a person wrote: blanks around it say nothing. */
export const trimmed = (max: number) => text(max, z.string().trim());

/** A moment, with its offset from UTC. */
export const time = z.iso.datetime({ offset: true });
