from . import check as check
from . import exercises as exercises
from . import figures as figures
from . import glue as glue
from . import live as live
from . import markup as markup
from . import pictures as pictures
