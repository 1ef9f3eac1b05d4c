"""Names of the files of a tree, as bench/lib/data.mjs makes it."""


def path_of(folder, i):
    return "%s/%04d/file-%03d.txt" % (folder, i // 1000, i % 1000)


def tasks_of(folder, first, count, each=10):
    """`count` tasks of ten names, beginning with task `first`."""
    return [[path_of(folder, i * each + k) for k in range(each)] for i in range(first, first + count)]
