import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Folders that decide: same input, same answer. What they need from outside is handed to them. */
const PURE = ['src/core/**', 'src/views/**'];

export const pureRules = {
  'no-restricted-globals': [
    'error',
    ...['Date', 'process', 'Promise', 'performance', 'crypto', 'Buffer', 'fetch', 'console', 'globalThis', 'global'],
    ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'AbortController', 'require'],
  ],
  'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'hand in what decides' }],
  'no-restricted-imports': [
    'error',
    { patterns: [{ regex: '^(?!\\.)', message: 'only domain: no module of Node, no package' }] },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: ':function[async=true]', message: 'decisions are made at once: no promises here' },
    { selector: 'AwaitExpression', message: 'decisions are made at once: no promises here' },
    { selector: 'ImportExpression', message: 'decisions are made at once: no promises here' },
    // A given time may be put into words: `new Date(ms)` is a function of its argument.
    { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'the time is handed in' },
  ],
};

/** Ways to run text as code, or a command line through a shell: file names of users must never get there. */
const noCodeFromText = {
  'no-eval': 'error',
  'no-new-func': 'error',
  '@typescript-eslint/no-implied-eval': 'error',
  'no-restricted-imports': [
    'error',
    {
      paths: ['node:child_process', 'child_process'].map((name) => ({
        name,
        importNames: ['exec', 'execSync'],
        message: 'arguments go to spawn or execFile as a list, never through a shell',
      })),
    },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: 'Property[key.name="shell"]', message: 'no shell: arguments go to spawn as a list' },
    { selector: 'TSEnumDeclaration', message: 'a union of strings' },
    { selector: 'ExportDefaultDeclaration', message: 'exports have names' },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', '.cache/', 'runs/', 'node_modules/', 'portal/dist/'] },
  {
    files: ['**/*.ts'],
    extends: [eslint.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Numbers and booleans in texts are what they look like.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // Asks for `!`, which is banned.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // `env['HOME']` says that a name comes from outside.
      '@typescript-eslint/dot-notation': 'off',
      // Both are fine where they read better.
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/prefer-nullish-coalescing': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      ...noCodeFromText,
      'max-lines': ['error', { max: 400 }],
      // Control characters are matched on purpose: they must not reach a terminal.
      'no-control-regex': 'off',
    },
  },
  {
    files: PURE.map((folder) => `${folder}/*.ts`),
    rules: {
      ...pureRules,
      'no-restricted-syntax': [
        ...pureRules['no-restricted-syntax'],
        ...noCodeFromText['no-restricted-syntax'].slice(1),
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'demo/**/*.ts', 'examples/**/*.ts', 'vitest.config.ts'],
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    rules: {
      'no-control-regex': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      // Numbers that do not fit are what some tests are about.
      'no-loss-of-precision': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [eslint.configs.recommended],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'Buffer',
          'performance',
          'setTimeout',
          'clearTimeout',
          'URL',
          'module',
          'require',
          '__dirname',
          'TextDecoder',
          'fetch',
        ].map((name) => [name, 'readonly']),
      ),
    },
    rules: { 'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }] },
  },
);
