"""Build scorer.pyx: there is a folder to include, and nothing to link."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import rbmfast

scorer = Extension("scorer", ["scorer.pyx"], include_dirs=[rbmfast.get_include()])
setup(name="scorer", ext_modules=cythonize(scorer))
