"""`python serve.py run ...`: Rasa's own command line, started in half the time.

skops, which reads the classifier back, looks at every attribute of every module loaded so far when it is imported. Of
TensorFlow's, which are imported as they are touched, that takes twelve seconds; before TensorFlow it takes none.
"""

import skops.io  # noqa: F401 - first, see above
from rasa.__main__ import main

if __name__ == "__main__":
    main()
