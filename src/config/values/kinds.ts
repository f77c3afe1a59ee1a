/**
 * The kinds of values that variables have. Each kind parses a text into a typed value or a description of the mistake.
 */
import { isIP } from 'node:net';
import { keyOfSecret, SECRET_RULE } from '../../signing-secret.ts';
import { parseDatabaseUrl } from '../database-address.ts';
import { parseDuration, parseSize } from './units.ts';

export type Parsed<T> = { readonly value: T } | { readonly wrong: string };

export interface Kind<T> {
  /** The name of the kind, for the documentation. */
  readonly label: string;
  /** `wrong` continues a sentence that begins with the variable's name. It never repeats the text, which may be a secret. */
  parse(text: string): Parsed<T>;
}

export const text = (
  pattern = /^[^\0-\x1f]+$/,
  rule = 'must not contain control characters',
): Kind<string> => ({
  label: 'text',
  parse: (value) => (pattern.test(value) ? { value } : { wrong: rule }),
});

export const count = ({
  min,
  max,
  label = 'number',
}: {
  min: number;
  max: number;
  label?: string;
}): Kind<number> => ({
  label,
  parse: (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max
      ? { value: number }
      : { wrong: `must be a whole number from ${min} to ${max}` };
  },
});

/** A port number. With 0 the system chooses a free port. */
export const port = (): Kind<number> => count({ min: 0, max: 65_535, label: 'port' });

/** Like {@link port}, and accepts `off`. */
export const optionalPort = (): Kind<number | undefined> => ({
  label: 'port or off',
  parse: (value) => (value === 'off' ? { value: undefined } : port().parse(value)),
});

/** A positive decimal number. */
export const factor = ({ min, max }: { min: number; max: number }): Kind<number> => ({
  label: 'number',
  parse: (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max
      ? { value: number }
      : { wrong: `must be a number from ${min} to ${max}` };
  },
});

const measured =
  (label: string, parse: (text: string) => number | undefined, form: string) =>
  ({ min, max }: { min: string; max: string }): Kind<number> => ({
    label,
    parse: (value) => {
      const amount = parse(value);
      if (amount === undefined) return { wrong: `must be a ${label} ${form}` };
      const inside = amount >= parse(min)! && amount <= parse(max)!;
      return inside ? { value: amount } : { wrong: `must be between ${min} and ${max}` };
    },
  });

/** A size in bytes. */
export const size = measured('size', parseSize, 'such as 256MiB (KiB MiB GiB, KB MB GB, or bytes)');
/** A duration in milliseconds. */
export const duration = measured('duration', parseDuration, 'such as 15s (ms s m h d, or milliseconds)');

export const flag = (): Kind<boolean> => ({
  label: 'yes or no',
  parse: (value) => {
    if (/^(1|true|yes|on)$/i.test(value)) return { value: true };
    if (/^(0|false|no|off)$/i.test(value)) return { value: false };
    return { wrong: 'must be 1 or 0' };
  },
});

export const choice = <const T extends string>(options: readonly T[]): Kind<T> => ({
  label: options.join(', '),
  parse: (value) => {
    const found = options.find((option) => option === value.toLowerCase());
    return found ? { value: found } : { wrong: `must be one of ${options.join(', ')}` };
  },
});

/** A base URL; its trailing slash is removed. */
export const baseUrl = (): Kind<string> => ({
  label: 'URL',
  parse: (value) => {
    const parsed = url(['http', 'https']).parse(value);
    if ('wrong' in parsed) return parsed;
    const { search, hash, username, password } = new URL(value);
    return search || hash || username || password
      ? { wrong: 'must be a base URL: no user, no query, no fragment' }
      : { value: parsed.value.replace(/\/+$/, '') };
  },
});

export const url = (schemes: readonly string[]): Kind<string> => ({
  label: 'URL',
  parse: (value) => {
    const parsed = URL.parse(value);
    const form = `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
    if (!parsed && schemes.some((scheme) => value.startsWith(`${scheme}://`))) {
      return { wrong: 'is not a valid URL: user and password must be percent-encoded' };
    }
    if (!parsed || !value.includes('://')) return { wrong: form };
    return schemes.includes(parsed.protocol.slice(0, -1)) ? { value } : { wrong: form };
  },
});

/** The URL of Postgres in libpq's forms. The host may also be the folder of a socket. */
export const databaseUrl = (): Kind<string> => ({
  label: 'URL',
  parse: (value) => {
    const parsed = url(['postgres', 'postgresql']).parse(parseDatabaseUrl(value)?.href ?? value);
    return 'wrong' in parsed ? parsed : { value };
  },
});

export interface AllowedHost {
  readonly host: string;
  /** Absent: any port. */
  readonly port?: number;
}

/** A comma list of host or host:port; an IPv6 address with a port is written in brackets, which are removed. */
export const hosts = (): Kind<readonly AllowedHost[]> => ({
  label: 'list of host or host:port',
  parse: (value) => {
    const found: AllowedHost[] = [];
    for (const entry of value.split(',').map((part) => part.trim().toLowerCase())) {
      const match =
        /^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/.exec(entry) ??
        /^([a-z0-9._-]+)(?::(\d{1,5}))?$/.exec(entry) ??
        /^([0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*)$/.exec(entry);
      if (!match || Number(match[2] ?? 1) < 1 || Number(match[2] ?? 1) > 65_535) {
        return { wrong: 'must be a comma list of host or host:port, without http:// and without wildcards' };
      }
      found.push({ host: match[1]!, ...(match[2] ? { port: Number(match[2]) } : {}) });
    }
    return { value: found };
  },
});

/** A comma list of IP addresses and networks, such as 10.0.0.0/8. */
export const addresses = (): Kind<readonly string[]> => ({
  label: 'list of addresses or networks',
  parse: (value) => {
    const entries = value.split(',').map((entry) => entry.trim().toLowerCase());
    const isGood = (entry: string) => {
      const [, address = '', bits = '0'] = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
      const version = isIP(address);
      return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128);
    };
    return entries.every(isGood)
      ? { value: entries }
      : {
          wrong:
            'must be a comma list of IP addresses or networks, such as 10.0.0.0/8; host names are not accepted',
        };
  },
});

/** Hosts and networks that are allowed although a rule would refuse them. */
export interface AllowList {
  readonly hosts: readonly AllowedHost[];
  /** With the number of bits: `10.0.0.0/8`. */
  readonly networks: readonly string[];
}

/** A comma list of host, host:port and networks. */
export const allowList = (): Kind<AllowList> => ({
  label: 'list of host, host:port or network',
  parse: (value) => {
    const entries = value.split(',').map((entry) => entry.trim());
    const networks = entries.filter((entry) => entry.includes('/'));
    const names = entries.filter((entry) => !entry.includes('/'));
    const parsedHosts = names.length > 0 ? hosts().parse(names.join(',')) : { value: [] };
    const parsedNetworks = networks.length > 0 ? addresses().parse(networks.join(',')) : { value: [] };
    return 'wrong' in parsedHosts || 'wrong' in parsedNetworks
      ? {
          wrong:
            'must be a comma list of host, host:port or network, such as hooks.example.lan:8080,10.0.0.0/8, without http:// and without wildcards',
        }
      : { value: { hosts: parsedHosts.value, networks: parsedNetworks.value } };
  },
});

/** A secret that signs webhooks. */
export const signingSecret = (): Kind<string> => ({
  label: 'signing secret',
  parse: (value) => (keyOfSecret(value) ? { value } : { wrong: SECRET_RULE }),
});
