/** The problems of /v1/media/{id}/preview; part of the table in problem.ts. */

export const PREVIEW_PROBLEMS = {
  preview_unsupported: {
    status: 415,
    title: 'Files of this format have no preview',
    advice: {
      en: 'The reason is in reason; GET /v1/media/{id}/content returns the file itself.',
      zh: '原因见 reason；可通过 GET /v1/media/{id}/content 获取原文件。',
    },
  },
  preview_refused: {
    status: 422,
    title: 'The file cannot be shown as a preview',
    advice: {
      en: 'The reason is in reason. The archived file is unchanged: GET /v1/media/{id}/content returns it.',
      zh: '原因见 reason。归档文件未受影响，可通过 GET /v1/media/{id}/content 获取。',
    },
  },
  preview_busy: {
    status: 503,
    title: 'Too many previews are being made',
    advice: {
      en: 'Send it again after Retry-After; the file itself is at /v1/media/{id}/content meanwhile.',
      zh: '请在 Retry-After 之后重试；其间可通过 /v1/media/{id}/content 获取原文件。',
    },
  },
  preview_failed: {
    status: 503,
    title: 'The process that makes previews could not start, or was ended from outside',
    advice: {
      en: 'Send it again after Retry-After. If it lasts, the log has the reason (preview: converter failed), and this machine may have too little memory.',
      zh: '请在 Retry-After 之后重试。若持续出现，原因见日志（preview: converter failed），也可能是本机内存不足。',
    },
  },
} as const;
