import type { ModelVersion } from '../../sdk/index.ts';
import { safeText } from '../../views/text/words.ts';
import type { Screen } from './screen.ts';
import { tableLines } from './table.ts';

/** Models as a table; `registry` is said where there is none. */
export function modelsLines(models: readonly ModelVersion[], registry: string, screen: Screen): readonly string[] {
  if (models.length === 0) return [`No models in ${safeText(registry)}; parallelrun models add NAME PATH adds one`];
  const rows = models.map(({ name, version, created, tags, path, description }) => [
    safeText(name),
    String(version),
    safeText(created),
    safeText(
      Object.entries(tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
    ),
    safeText(description),
    safeText(path),
  ]);
  const columns = [
    { title: 'NAME' },
    { title: 'VERSION', align: 'right' },
    { title: 'ADDED' },
    { title: 'TAGS' },
    { title: 'DESCRIPTION' },
    { title: 'PATH' },
  ] as const;
  // Not cut: the path is what people copy.
  const [head, ...lines] = tableLines(columns, rows);
  return [screen.paint('faint', head ?? ''), ...lines];
}
