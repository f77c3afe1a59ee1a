/** The JSON of a group of dead letters in the API, with message and advice in the client's language. */
import type { DeadLetterGroup } from '../../catalogue/history/stats.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Language } from '../problem.ts';

export function groupJson(group: DeadLetterGroup, language: Language) {
  const { message, advice } = explain(group);
  return { ...group, message: message[language], advice: advice[language] };
}
