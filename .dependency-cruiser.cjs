/**
 * Import rules between the folders of src, as docs/ARCHITECTURE.md draws them. Type-only imports count too.
 * Proven by test/tooling/imports.test.ts: every rule has an import there that it must refuse.
 */
const NPM = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown'];

/** Nothing but these folders of ours: no package, no module of Node. */
function pure(folder, allowed) {
  return {
    name: `${folder}-is-pure`,
    comment: `${folder} imports only ${allowed.join(' and ')}: no module of Node, no package, no other folder`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { pathNot: `^src/(${allowed.join('|')})/` },
  };
}

/** Of our folders only these. */
function onlyOurs(folder, allowed) {
  return {
    name: `${folder}-imports-only-${allowed.join('-and-')}`,
    comment: `of our own code ${folder} imports only ${allowed.join(' and ')}`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
  };
}

/** Parts that meet only in sdk/compose.ts, through the ports of domain. */
const APART = ['dataset', 'ledger', 'output', 'logs', 'remote', 'engine/embedded', 'engine/nats'];

const apart = APART.map((folder) => ({
  name: `${folder.replace('/', '-')}-stands-apart`,
  comment: `${folder} doesn't import the other parts: they meet in one place, through the ports of domain`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: `^src/(${APART.filter((other) => other !== folder).join('|')})/` },
}));

module.exports = {
  forbidden: [
    pure('domain', ['domain']),
    pure('core', ['core', 'domain']),
    pure('views', ['views', 'domain']),
    onlyOurs('worker', ['domain']),
    {
      name: 'worker-is-light',
      comment:
        "the worker lives in the user's process: of packages only apache-arrow and hyparquet, loaded with the first table that needs them",
      severity: 'error',
      from: { path: '^src/worker/' },
      to: { dependencyTypes: NPM, pathNot: '(^|/)node_modules/(apache-arrow|hyparquet(-compressors)?)/' },
    },
    onlyOurs('remote', ['domain', 'environment']),
    onlyOurs('node', ['domain']),
    {
      name: 'node-uses-no-package',
      comment: 'the agent of a machine needs Node alone',
      severity: 'error',
      from: { path: '^src/node/' },
      to: { dependencyTypes: NPM },
    },
    onlyOurs('models', ['domain']),
    {
      name: 'models-use-no-package',
      comment: 'the registry is a folder with a known form: Node alone',
      severity: 'error',
      from: { path: '^src/models/' },
      to: { dependencyTypes: NPM },
    },
    ...apart,
    {
      name: 'nobody-imports-cli',
      comment: 'the command line is the outermost layer',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'composition-in-one-place',
      comment: 'only sdk puts a run together; the others get what they need handed in',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(sdk|cli|testing|orchestrator)/' },
      to: { path: '^src/(sdk|orchestrator)/' },
    },
    {
      name: 'no-cycles',
      comment: 'two files that need each other are one file, or have a third one between them',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolvable',
      comment: 'the imported file does not exist',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'drivers-where-queries-are',
      comment:
        'drivers of databases are optional: only the process of a query loads them, and says so where they are missing',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/dataset/query/(duckdb|sqlite)[.]ts$' },
      to: { path: '(^|/)node_modules/(@duckdb|libsql)/' },
    },
    {
      name: 'clients-where-stores-are',
      comment:
        'clients of stores are optional: they are loaded with the first path that needs one, and missed with a word',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/remote/(azure|s3)[.]ts$' },
      to: { path: '(^|/)node_modules/(@azure|@aws-sdk)/' },
    },
    {
      name: 'clients-where-brokers-are',
      comment: 'clients of the broker are optional: they are loaded with the first run that has an engine',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/engine/nats/' },
      to: { path: '(^|/)node_modules/@nats-io/' },
    },
    {
      name: 'no-development-packages',
      comment: 'a package of devDependencies is not there once ParallelRun is installed',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: '^src/(dataset/query/(duckdb|sqlite)[.]ts|remote/(azure|s3)[.]ts|engine/nats/broker[.]ts)$',
      },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-tests-in-the-product',
      comment: 'src never needs what lies outside of it',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|demo|examples)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
