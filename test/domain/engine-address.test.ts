import { describe, expect, it } from 'vitest';
import { isLoopback, parseEngineAddress } from '../../src/domain/engine-address.ts';

const value = (text: string) => {
  const result = parseEngineAddress(text);
  if (!result.ok) throw new Error(result.error.why);
  return result.value;
};

describe('the address of an engine', () => {
  it('has a port, or the usual one; a cluster has several', () => {
    expect(value('nats://head').servers).toEqual(['head:4222']);
    expect(value('nats://a:1,b:2,c').servers).toEqual(['a:1', 'b:2', 'c:4222']);
    expect(value('tls://head:5').tls).toBe(true);
    expect(value('nats://[::1]:5').servers).toEqual(['[::1]:5']);
  });

  it('shows nothing that is secret', () => {
    const { user, password, token, shown } = value('nats://me:p%40ss@head');
    expect([user, password, token, shown]).toEqual(['me', 'p@ss', undefined, 'nats://head:4222']);
    expect(value('nats://s3cret@head')).toMatchObject({ token: 's3cret', shown: 'nats://head:4222' });
    expect(value('nats://head?insecure')).toMatchObject({ insecure: true, shown: 'nats://head:4222?insecure' });
  });

  it.each(['', 'head', 'http://head', 'nats://', 'nats://head:0', 'nats://head:99999', 'nats://head?x', 'nats://a b'])(
    'is not %j',
    (text) => expect(parseEngineAddress(text)).toMatchObject({ ok: false, error: { code: 'PR6001' } }),
  );

  it('is refused without its password', () => {
    expect(JSON.stringify(parseEngineAddress('http://me:s3cret@head'))).not.toContain('s3cret');
  });

  it.each([
    ['localhost:1', true],
    ['127.0.0.5:1', true],
    ['[::1]:4', true],
    ['10.0.0.1:1', false],
    ['127.evil.com:1', false],
  ] as const)('%s is of this machine alone: %s', (server, is) => expect(isLoopback(server)).toBe(is));
});
