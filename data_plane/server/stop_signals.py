"""What a broker's process is told by which signal; SIGTERM and SIGINT are the usual stop."""

import signal
from typing import Final

# All brokers of the cluster stop now. Handing over, one after the other, would leave whoever is
# last alone in every ISR: the loss of its disk alone would lose what all of them hold.
STOP_TOGETHER: Final = signal.SIGUSR1
RELOAD: Final = signal.SIGHUP
